import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadBias, remote, vaddr } from '../bytes/address.ts';
import { type Lookup, lookup, scopeOf } from './symbols.ts';
import type { ObjectView, ProcessView, SymbolView } from './view.ts';

const FUNCTION = 2;
const IFUNC = 10;
const GLOBAL = 1;
const symbol = (name: string, parts: Partial<SymbolView> = {}): SymbolView => ({
  name,
  value: vaddr(0x100n),
  size: 8,
  type: FUNCTION,
  bind: GLOBAL,
  shndx: 5,
  ...parts,
});
interface Parts {
  readonly symbols?: SymbolView[];
  readonly needed?: string[];
  readonly soname?: string;
  readonly isExecutable?: boolean;
}
let next = 0x10_0000n;
function object(
  path: string,
  { symbols = [], needed = [], soname, isExecutable = false }: Parts,
): ObjectView {
  next += 0x1_0000n;
  return {
    path,
    buildId: 'aa',
    bias: loadBias(next),
    start: remote(next),
    end: remote(next + 0x1000n),
    isVdso: false,
    isExecutable,
    image: {
      segments: [],
      dynamicSymbols: { named: (name) => symbols.filter((candidate) => candidate.name === name) },
      dynamic: () => new Map(),
      needed: () => needed,
      soname: () => soname,
      dynamicRelocations: () => [],
    },
  };
}
const processOf = (...modules: ObjectView[]) =>
  ({ modules: () => modules, memory: { tryRead: () => undefined } }) as unknown as ProcessView;
const find = (scope: readonly ObjectView[], wanted: Partial<Lookup> & { name: string }) =>
  lookup(scope, { use: 'call', ...wanted });

test('the first object of the scope wins, the executable before libraries', () => {
  const program = object('/prog', { symbols: [symbol('log')], needed: ['libb.so'], isExecutable: true });
  const library = object('/lib/libb.so', { symbols: [symbol('log'), symbol('only')] });
  const scope = scopeOf(processOf(library, program), library);
  assert.equal(find(scope, { name: 'log' })?.object, program);
  assert.equal(find(scope, { name: 'only' })?.object, library);
  assert.equal(find(scope, { name: 'nowhere' }), undefined);
});

test('needed objects come breadth first, by soname or file name', () => {
  const deep = object('/lib/deep.so.1.2', { symbols: [symbol('s')], soname: 'deep.so.1' });
  const near = object('/lib/near.so', { symbols: [symbol('s')] });
  const first = object('/lib/first.so', { needed: ['deep.so.1'] });
  const program = object('/prog', { needed: ['first.so', 'near.so'], isExecutable: true });
  const scope = scopeOf(processOf(deep, first, near, program), program);
  assert.deepEqual(
    scope.map(({ path }) => path),
    ['/prog', '/lib/first.so', '/lib/near.so', '/lib/deep.so.1.2'],
  );
  assert.equal(find(scope, { name: 's' })?.object, near);
});

test("a plugin's own needs are seen by it alone", () => {
  const helper = object('/opt/helper.so', { symbols: [symbol('help')] });
  const plugin = object('/opt/plugin.so', { needed: ['helper.so'] });
  const program = object('/prog', { isExecutable: true });
  const all = processOf(program, plugin, helper);
  assert.equal(find(scopeOf(all, plugin), { name: 'help' })?.object, helper);
  assert.equal(find(scopeOf(all, program), { name: 'help' }), undefined);
});

test('a version picks its definition; without one the default counts', () => {
  const library = object('/lib/c.so', {
    symbols: [
      symbol('memcpy', { version: 'V1', versionHidden: true, value: vaddr(0x10n) }),
      symbol('memcpy', { version: 'V2', versionHidden: false, value: vaddr(0x20n) }),
    ],
  });
  assert.equal(find([library], { name: 'memcpy', version: 'V1' })?.symbol.value, 0x10n);
  assert.equal(find([library], { name: 'memcpy' })?.symbol.value, 0x20n);
  assert.equal(find([library], { name: 'memcpy', version: 'V3' }), undefined);
});

test("the executable's canonical PLT entry is an address, not a callee", () => {
  const program = object('/prog', {
    symbols: [symbol('cb', { shndx: 0, value: vaddr(0x40n) })],
    isExecutable: true,
  });
  const library = object('/lib/l.so', { symbols: [symbol('cb')] });
  assert.equal(find([program, library], { name: 'cb', use: 'address' })?.object, program);
  assert.equal(find([program, library], { name: 'cb', use: 'call' })?.object, library);
});

test('an indirect function is said to be one', () => {
  const library = object('/lib/l.so', { symbols: [symbol('fast', { type: IFUNC })] });
  assert.equal(find([library], { name: 'fast' })?.isIfunc, true);
});
