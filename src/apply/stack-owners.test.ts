import assert from 'node:assert/strict';
import { test } from 'node:test';
import { archNamed } from '../arch/index.ts';
import { loadBias, type Remote, remote, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { StackOwners } from './stack-owners.ts';
import type { MappingView, ObjectView, RangeReader, SymbolView } from './view.ts';

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
  owners.search(() => MAPS, everything, tryRead);
  return {
    used: owners.inUse(STACK_MAPPING, THREAD, tryRead),
    found: owners.contextsOn(STACK_MAPPING, THREAD, tryRead),
  };
}

test('the object that owns a stack has the context that is suspended on it', () => {
  const { used, found } = contexts(WITH_SYMBOLS, memory());
  assert.deepEqual(used, { start: SP, end: STACK_END });
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
  owners.search(() => MAPS, everything, memory());
  const later = memory({ base: HEAP });
  assert.equal(owners.inUse(STACK_MAPPING, THREAD, later), undefined);
  assert.deepEqual(owners.contextsOn(STACK_MAPPING, THREAD, later), []);
});

test('a stripped program is known by its name, others are not searched', () => {
  assert.equal(contexts(program('/usr/bin/qemu-system-x86_64', []), memory()).found.length, 1);
  assert.equal(contexts(program('/usr/bin/database', []), memory()).found.length, 0);
});

/** Ranges read one by one. */
class Reader implements RangeReader {
  readonly halves = new Uint32Array(1024);
  readonly #ranges: { readonly at: number; readonly size: number }[] = [];
  constructor(
    readonly tryRead: ReturnType<typeof memory>,
    readonly room: number,
  ) {}
  add(at: number, size: number): boolean {
    if (this.#ranges.length === this.room) return false;
    this.#ranges.push({ at, size });
    return true;
  }
  clear(): void {
    this.#ranges.length = 0;
  }
  readEach(_: number, visit: Parameters<RangeReader['readEach']>[1]): void {
    for (const [index, { at, size }] of this.#ranges.entries()) {
      const bytes = this.tryRead(remote(BigInt(at)), size);
      if (bytes !== undefined) new Uint8Array(this.halves.buffer).set(bytes);
      visit(index, 0, size >> 2, bytes !== undefined);
    }
  }
}

test('many stacks are asked for at once, whatever fits into one read', () => {
  const owners = new StackOwners(arch, [WITH_SYMBOLS]);
  owners.search(() => MAPS, everything, memory());
  const stacks = [HEAP_MAPPING, STACK_MAPPING, STACK_MAPPING];
  for (const room of [1, 8]) {
    const { starts, ends } = owners.inUseOfAll(1, stacks, SECRET, new Reader(memory(), room));
    assert.deepEqual([...starts], [-1, Number(SP), Number(SP)]);
    assert.deepEqual([...ends], [-1, Number(STACK_END), Number(STACK_END)]);
  }
  const later = owners.inUseOfAll(1, stacks, SECRET, new Reader(memory({ base: HEAP }), 8));
  assert.deepEqual([...later.starts], [-1, -1, -1], 'the object has gone since');
  const unread = owners.inUseOfAll(1, stacks, SECRET, new Reader(() => undefined, 8));
  assert.deepEqual([...unread.starts], [-1, -1, -1], 'it cannot be read');
});

test('a stack ends where its owner says, though the mapping goes on', () => {
  const longer = mapping(STACK, STACK_END + 0x20_0000n, 'rw-p');
  const owners = new StackOwners(arch, [WITH_SYMBOLS]);
  const maps = [HEAP_MAPPING, mapping(GUARD, STACK, '---p'), longer];
  owners.search(() => maps, everything, memory());
  assert.deepEqual(owners.inUse(longer, THREAD, memory()), { start: SP, end: STACK_END });
});
