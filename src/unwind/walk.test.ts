/** Walks over made-up stacks: what ends them, and what must not be guessed. Real ones are in test/rival/gdb. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { x86_64 } from '../arch/x86_64/index.ts';
import { loadBias, type Remote, remote, vaddr } from '../bytes/address.ts';
import { EhFrame } from '../dwarf/eh-frame.ts';
import { RegisterFile, registersFromPrstatus, type UnwindModule } from './frame.ts';
import { type WalkInput, walk } from './walk.ts';

const BIAS = 0x7f00_0000_0000n;
const STACK = 0x7ffe_0000_0000n;

const u32 = (value: number): number[] => [
  value & 0xff,
  (value >> 8) & 0xff,
  (value >> 16) & 0xff,
  (value >>> 24) & 0xff,
];
const entry = (body: readonly number[]): number[] => {
  const padded = [...body, ...new Array((4 - (body.length % 4)) % 4).fill(0)];
  return [...u32(padded.length), ...padded];
};

/** Functions of 0x100 bytes from 0x1000 on, each with its instructions; CIEs say CFA = rsp + 8, return address at CFA - 8. */
function frames(functions: readonly { instructions: readonly number[]; signal?: boolean }[]): EhFrame {
  const bytes: number[] = [];
  for (const [index, { instructions, signal }] of functions.entries()) {
    const at = bytes.length;
    const name = signal ? [0x7a, 0x52, 0x53, 0] : [0x7a, 0x52, 0];
    bytes.push(...entry([...u32(0), 1, ...name, 1, 0x78, 16, 1, 0x03, 0x0c, 7, 8, 0x90, 1]));
    bytes.push(
      ...entry([
        ...u32(bytes.length + 4 - at),
        ...u32(0x1000 + index * 0x100),
        ...u32(0x100),
        0,
        ...instructions,
      ]),
    );
  }
  return EhFrame.parse(Uint8Array.from(bytes), { address: vaddr(0x40_0000n) });
}

const NORMAL: readonly number[] = [];
const FRAME_16 = [0x0e, 16]; // def_cfa_offset 16
const BY_RBP = [0x0c, 6, 16, 0x86, 2]; // def_cfa rbp 16; rbp at CFA - 16
const BOTTOM = [0x07, 16]; // the return address is undefined

const code = (index: number, offset: number): Remote =>
  remote(BIAS + BigInt(0x1000 + index * 0x100 + offset));

interface Scene {
  functions: readonly { instructions: readonly number[]; signal?: boolean }[];
  pc: Remote;
  /** Words from the stack pointer up. */
  stack: readonly bigint[];
  registers?: Record<number, bigint>;
  codeBytes?: (at: Remote) => number[] | undefined;
  module?: Partial<UnwindModule>;
  maxFrames?: number;
}

function walkScene(scene: Scene) {
  const registers = new RegisterFile(17, scene.pc);
  registers.set(7, STACK);
  for (const [number, value] of Object.entries(scene.registers ?? {})) registers.set(Number(number), value);
  const module: UnwindModule = {
    name: 'libx.so',
    bias: loadBias(BIAS),
    start: code(0, 0),
    end: code(16, 0),
    frames: frames(scene.functions),
    ...scene.module,
  };
  const input: WalkInput = {
    arch: x86_64,
    registers,
    readMemory(at, size) {
      const bytes = scene.codeBytes?.(at);
      if (bytes !== undefined) return Uint8Array.from(bytes);
      const index = Number(at - STACK) / 8;
      const word = scene.stack[index];
      if (size !== 8 || word === undefined) return undefined;
      const out = new Uint8Array(8);
      new DataView(out.buffer).setBigUint64(0, word, true);
      return out;
    },
    moduleAt: (pc) => (pc >= module.start && pc < module.end ? module : undefined),
    ...(scene.maxFrames === undefined ? {} : { maxFrames: scene.maxFrames }),
  };
  return walk(input);
}

const pcs = (found: { frames: readonly { pc: bigint }[] }) => found.frames.map(({ pc }) => pc);

test('callers are looked up one byte before their return address', () => {
  // The call is the last instruction of function 1: its return address is the first of function 2.
  const found = walkScene({
    functions: [{ instructions: NORMAL }, { instructions: FRAME_16 }, { instructions: [0x0f, 1, 0x50] }],
    pc: code(0, 4),
    stack: [code(2, 0), 0x1234n, 0n],
  });
  assert.deepEqual(found.end, { kind: 'bottom' });
  assert.deepEqual(pcs(found), [code(0, 4), code(2, 0)]);
  assert.equal(found.frames[1]?.lookupPc, code(2, 0) - 1n);
  assert.equal(found.frames[1]?.cfa, STACK + 24n);
});

test('the bottom is an undefined return address or 0', () => {
  const byRule = walkScene({
    functions: [{ instructions: NORMAL }, { instructions: BOTTOM }],
    pc: code(0, 4),
    stack: [code(1, 4)],
  });
  assert.deepEqual(byRule.end, { kind: 'bottom' });
  assert.deepEqual(pcs(byRule), [code(0, 4), code(1, 4)]);
  const byZero = walkScene({ functions: [{ instructions: NORMAL }], pc: code(0, 4), stack: [0n] });
  assert.deepEqual(byZero.end, { kind: 'bottom' });
});

test('saved registers are followed', () => {
  const found = walkScene({
    functions: [{ instructions: BY_RBP }, { instructions: BY_RBP }, { instructions: BOTTOM }],
    pc: code(0, 4),
    registers: { 6: STACK + 8n },
    stack: [0n, STACK + 40n, code(1, 9), 0n, 0n, 0n, code(2, 9)],
  });
  assert.deepEqual(found.end, { kind: 'bottom' });
  assert.deepEqual(pcs(found), [code(0, 4), code(1, 9), code(2, 9)]);
});

test('a frame that does not lie above its stack pointer ends the walk', () => {
  const found = walkScene({
    functions: [{ instructions: BY_RBP }],
    pc: code(0, 4),
    registers: { 6: STACK - 16n },
    stack: [code(0, 8)],
  });
  assert.equal(found.end.kind, 'lost');
  const cycle = walkScene({
    functions: [{ instructions: [0x0c, 7, 0, 0x90, 0] }],
    pc: code(0, 4),
    stack: [code(0, 8)],
  });
  assert.equal(cycle.end.kind, 'lost');
});

test('code of no object, and code without information, is not guessed at', () => {
  const outside = walkScene({
    functions: [{ instructions: NORMAL }],
    pc: code(0, 4),
    stack: [0x1234_5678n, 0n],
  });
  assert.deepEqual(outside.end, {
    kind: 'lost',
    at: STACK + 8n,
    pc: 0x1234_5678n,
    reason: '0x12345678 is in no known object',
  });
  const without = walkScene({ functions: [], pc: code(3, 4), stack: [code(0, 4)] });
  assert.equal(without.end.kind, 'lost');
  assert.match(
    without.end.kind === 'lost' ? without.end.reason : '',
    /in libx\.so without call frame information/,
  );
  assert.deepEqual(pcs(without), [code(3, 4)], 'the frame that is not understood is reported');
});

test('linker-made code is stood in for only innermost and only with a return address behind a call', () => {
  const call = [0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xe8, 1, 2, 3, 4];
  const scene: Scene = {
    functions: [{ instructions: BOTTOM }],
    pc: code(5, 0),
    stack: [code(0, 0x20)],
    module: { isLinkerMade: (pc) => pc >= code(5, 0) && pc < code(6, 0) },
    codeBytes: (at) => (at === code(0, 0x10) ? call : undefined),
  };
  const found = walkScene(scene);
  assert.deepEqual(found.end, { kind: 'bottom' });
  assert.deepEqual(pcs(found), [code(5, 0), code(0, 0x20)]);
  const noCall = walkScene({
    ...scene,
    codeBytes: (at) => (at === code(0, 0x10) ? call.fill(0x90) : undefined),
  });
  assert.equal(noCall.end.kind, 'lost');
});

test('behind a signal frame the pc is exact and the stack may be another', () => {
  const other = STACK - 0x10_0000n;
  const found = walkScene({
    functions: [
      { instructions: NORMAL },
      // CFA = the word at rsp; return address = the word at rsp + 8.
      { instructions: [0x0f, 3, 0x77, 0, 0x06, 0x10, 16, 2, 0x77, 8], signal: true },
      { instructions: BOTTOM },
    ],
    pc: code(0, 4),
    stack: [code(1, 1), other, code(2, 0)],
  });
  assert.deepEqual(found.end, { kind: 'bottom' });
  assert.deepEqual(
    found.frames.map(({ kind, lookupPc }) => [kind, lookupPc]),
    [
      ['normal', code(0, 4)],
      ['signal', code(1, 0)],
      ['normal', code(2, 0)],
    ],
  );
});

test('a signal trampoline without information is known by its code', () => {
  const stack: bigint[] = new Array(24).fill(0n);
  stack[0] = code(9, 0); // return address of the handler: the trampoline
  const context = 1; // struct ucontext
  stack[context + 160 / 8] = STACK + 0x500n;
  stack[context + 168 / 8] = code(1, 0);
  const found = walkScene({
    functions: [{ instructions: NORMAL }, { instructions: BOTTOM }],
    pc: code(0, 4),
    stack,
    codeBytes: (at) => (at === code(9, 0) ? [0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05] : undefined),
  });
  assert.deepEqual(found.end, { kind: 'bottom' });
  assert.deepEqual(
    found.frames.map(({ pc, kind }) => [pc, kind]),
    [
      [code(0, 4), 'normal'],
      [code(9, 0), 'signal'],
      [code(1, 0), 'normal'],
    ],
  );
});

test('a register that calls do not preserve is not believed in callers', () => {
  const found = walkScene({
    functions: [{ instructions: NORMAL }, { instructions: [0x0c, 10, 8] }],
    pc: code(0, 4),
    registers: { 10: STACK + 16n },
    stack: [code(1, 4), 0n, 0n],
  });
  assert.equal(found.end.kind, 'lost');
  assert.match(found.end.kind === 'lost' ? found.end.reason : '', /register 10/);
});

test('without a rule for the return address there is no caller', () => {
  const found = walkScene({ functions: [{ instructions: [0x08, 16] }], pc: code(0, 4), stack: [code(0, 9)] });
  assert.equal(found.end.kind, 'lost');
});

test('damaged information, unreadable memory and too many frames end the walk with a reason', () => {
  assert.equal(
    walkScene({ functions: [{ instructions: [0x3f] }], pc: code(0, 4), stack: [0n] }).end.kind,
    'lost',
  );
  assert.equal(
    walkScene({ functions: [{ instructions: NORMAL }], pc: code(0, 4), stack: [] }).end.kind,
    'lost',
  );
  const deep = walkScene({
    functions: [{ instructions: NORMAL }],
    pc: code(0, 4),
    stack: new Array(50).fill(code(0, 9)),
    maxFrames: 10,
  });
  assert.equal(deep.frames.length, 10);
  assert.deepEqual(
    deep.end.kind === 'lost' && deep.end.at,
    STACK + 80n,
    'the scan goes on where the walk stopped',
  );
});

test('registers come from the regset by DWARF number', () => {
  const regset = new Uint8Array(216);
  const view = new DataView(regset.buffer);
  for (let i = 0; i < 27; i++) view.setBigUint64(i * 8, BigInt(i), true);
  const registers = registersFromPrstatus(x86_64, regset);
  assert.equal(registers.pc, 16n);
  assert.deepEqual(
    Array.from({ length: 17 }, (_, number) => Number(registers.get(number))),
    [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16],
  );
  assert.throws(() => registersFromPrstatus(x86_64, regset.subarray(8)), /NT_PRSTATUS has 208 bytes/);
});
