import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { loadBias, type Remote, remote, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { StackOwners } from './stack-owners.ts';
import type { MappingView, ObjectView, SymbolView } from './view.ts';

const arch = archNamed('x86_64')!;
const PAGE = 0x1000n;
const HEAP = 0x5555_0000_0000n;
const GUARD = 0x7f00_0000_0000n;
const STACK = GUARD + PAGE;
const STACK_END = GUARD + 0x10_0000n;
const THREAD = 0x7fff_0000_0000n;
const SECRET = 0x1234_5678_9abc_def0n;
const CODE = 0x40_0000n;
const OWNER = HEAP + 0x130n;
const SP = STACK_END - 0x400n;

const mapping = (start: bigint, end: bigint, rights: string, path = ''): MappingView => ({
  start: remote(start),
  end: remote(end),
  read: rights[0] === 'r',
  write: rights[1] === 'w',
  execute: rights[2] === 'x',
  shared: rights[3] === 's',
  fileOffset: 0,
  path,
});
const HEAP_MAPPING = mapping(HEAP, HEAP + PAGE, 'rw-p', '[heap]');
const STACK_MAPPING = mapping(STACK, STACK_END, 'rw-p');
const MAPS = [HEAP_MAPPING, mapping(GUARD, STACK, '---p'), STACK_MAPPING];

function symbol(name: string, value: bigint): SymbolView {
  return { name, value: vaddr(value), size: 0x100, type: 2, bind: 1, shndx: 1 };
}
function program(path: string, symbols: readonly SymbolView[]): ObjectView {
  const named = (name: string) => symbols.filter((one) => one.name === name);
  return {
    path,
    buildId: undefined,
    bias: loadBias(CODE),
    start: remote(CODE),
    end: remote(CODE + 0x10_0000n),
    image: {
      segments: [],
      dynamicSymbols: { named: () => [] },
      dynamic: () => new Map(),
      needed: () => [],
      soname: () => undefined,
      dynamicRelocations: () => [],
    },
    file: { symbols: { length: symbols.length, named } },
    isVdso: false,
    isExecutable: true,
  };
}
const WITH_SYMBOLS = program('/usr/bin/emulator', [
  symbol('qemu_coroutine_switch', 0x2000n),
  symbol('coroutine_trampoline', 0x3000n),
]);

/** glibc's PTR_MANGLE, the other way round from what is tested. */
const mangle = (value: bigint): bigint => {
  const mixed = value ^ SECRET;
  return BigInt.asUintN(64, (mixed << 17n) | (mixed >> 47n));
};

/** A heap with the object of a coroutine: stack, size and jmp_buf. */
function memory(changes: { readonly base?: bigint; readonly sp?: bigint; readonly pc?: bigint } = {}) {
  const heap = new Uint8Array(Number(PAGE));
  const words = viewOf(heap);
  const put = (offset: bigint, value: bigint) =>
    words.setBigUint64(Number(OWNER - HEAP + offset), BigInt.asUintN(64, value), true);
  put(0n, changes.base ?? GUARD);
  put(8n, STACK_END - GUARD);
  put(16n, 0xb0b0n); // rbx
  put(16n + 8n, mangle(0xbeben)); // rbp
  put(16n + 48n, mangle(changes.sp ?? SP));
  put(16n + 56n, mangle(changes.pc ?? CODE + 0x2040n));
  const guard = new Uint8Array(8);
  viewOf(guard).setBigUint64(0, SECRET, true);
  return (at: Remote, size: number): Uint8Array | undefined => {
    if (at >= HEAP && at + BigInt(size) <= HEAP + PAGE)
      return heap.slice(Number(at - HEAP), Number(at - HEAP) + size);
    return at === THREAD + 0x30n ? guard : undefined;
  };
}
const everything = (start: Remote, end: Remote) => [{ start, end }];

function contexts(object: ObjectView, tryRead: ReturnType<typeof memory>) {
  const owners = new StackOwners(arch, [object]);
  owners.search(MAPS, everything, tryRead);
  return {
    live: owners.liveFrom(STACK_MAPPING, THREAD, tryRead),
    found: owners.contextsOn(STACK_MAPPING, THREAD, tryRead),
  };
}

test('the object that owns a stack has the context that is suspended on it', () => {
  const { live, found } = contexts(WITH_SYMBOLS, memory());
  assert.equal(live, SP);
  assert.equal(found.length, 1);
  const { registers, what, bottom } = found[0]!;
  assert.equal(registers.pc, CODE + 0x2040n);
  assert.equal(registers.get(arch.registers.dwarfSp), SP);
  assert.equal(registers.get(arch.registers.names.indexOf('rbx')), 0xb0b0n);
  assert.equal(registers.get(arch.registers.names.indexOf('rbp')), 0xbeben);
  assert.match(what, /QEMU coroutine/);
  assert.deepEqual(bottom, [{ start: CODE + 0x3000n, end: CODE + 0x3100n }]);
});

test('the address of the stack may be without its guard page', () => {
  const { found } = contexts(WITH_SYMBOLS, memory({ base: STACK }));
  assert.equal(found.length, 0, 'then the size would lead beyond the mapping');
});

test('an object that is none is told by its context', () => {
  assert.equal(contexts(WITH_SYMBOLS, memory({ sp: HEAP })).found.length, 0, 'another stack');
  assert.equal(contexts(WITH_SYMBOLS, memory({ pc: CODE + 0x5000n })).found.length, 0, 'not switching');
  assert.equal(contexts(WITH_SYMBOLS, memory({ base: GUARD - PAGE })).found.length, 0, 'no stack');
});

test('an object that has gone since is no owner any more', () => {
  const owners = new StackOwners(arch, [WITH_SYMBOLS]);
  owners.search(MAPS, everything, memory());
  const later = memory({ base: HEAP });
  assert.equal(owners.liveFrom(STACK_MAPPING, THREAD, later), undefined);
  assert.deepEqual(owners.contextsOn(STACK_MAPPING, THREAD, later), []);
});

test('a stripped program is known by its name, others are not searched', () => {
  assert.equal(contexts(program('/usr/bin/qemu-system-x86_64', []), memory()).found.length, 1);
  assert.equal(contexts(program('/usr/bin/database', []), memory()).found.length, 0);
});
