import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remote } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import { registers } from './registers.ts';
import { syscall } from './syscall.ts';

const X8 = 64;
const PSTATE = 264;
// Offsets in rt_sigframe: x0 behind siginfo (128), ucontext up to uc_mcontext (176) and fault_address
const FRAME_X0 = 312;
const FRAME_PC = FRAME_X0 + registers.pc;
const RECORDS = 592;
const SVC = Uint8Array.of(0x01, 0, 0, 0xd4);
const gadget = remote(0xffff_0000_1000n);

const plain = (): Uint8Array => {
  const state = new Uint8Array(528);
  state.forEach((_, i) => {
    state[i] = i & 0xff;
  });
  return state;
};

function frameOf(
  prstatus: Uint8Array,
  more: { state?: Uint8Array; note?: number; before?: Uint8Array; at?: Uint8Array } = {},
) {
  return syscall.signalFrame({
    prstatus,
    extendedState: more.state ?? plain(),
    extendedStateNote: more.note ?? 2,
    signalMask: 0x55n,
    stackTop: remote(0xffff_1234_5678n),
    returnWords: [0xaaaan],
    codeBeforePc: more.before ?? new Uint8Array(16),
    codeAtPc: more.at ?? new Uint8Array(4),
  });
}

/** A thread at 0x4000 with x8 = `number` and a branch type in its state. */
function stoppedWith(number: bigint): Uint8Array {
  const prstatus = new Uint8Array(registers.prstatusSize + 24);
  const view = viewOf(prstatus);
  view.setBigUint64(0, 7n, true);
  view.setBigUint64(X8, number, true);
  view.setBigUint64(registers.pc, 0x4000n, true);
  view.setBigUint64(registers.sp, 0xffff_1234_5678n, true);
  view.setBigUint64(PSTATE, 0x8000_0c00n, true);
  return prstatus;
}

test('the frame lies as the kernel wants it', () => {
  const frame = frameOf(stoppedWith(63n));
  assert.ok(frame !== undefined);
  const view = viewOf(frame.bytes);
  assert.equal(frame.stackPointer % 16n, 0n);
  assert.ok(frame.stackPointer + BigInt(frame.bytes.length) <= 0xffff_1234_5678n);
  assert.equal(view.getBigUint64(FRAME_X0, true), 7n);
  assert.equal(view.getBigUint64(FRAME_PC, true), 0x4000n);
  assert.equal(view.getBigUint64(128 + 40, true), 0x55n, 'the signal mask');
  assert.deepEqual(
    [view.getUint32(RECORDS, true), view.getUint32(RECORDS + 4, true)],
    [0x46508001, 528],
    'fpsimd_context',
  );
  assert.deepEqual([...frame.bytes.subarray(RECORDS + 16, RECORDS + 528)], [...plain().subarray(0, 512)]);
  assert.equal(view.getUint32(RECORDS + 8, true), viewOf(plain()).getUint32(512, true), 'fpsr');
  assert.deepEqual([...frame.bytes.subarray(RECORDS + 528)], new Array(16).fill(0), 'the end of the records');
});

test('scalable vectors get a record of their own, and are put back after calls', () => {
  const vl = 32;
  const size = 16 + 32 * vl + 17 * (vl / 8);
  const state = new Uint8Array(((size + 15) & -16) + 16);
  state.forEach((_, i) => {
    state[i] = (i * 7) & 0xff;
  });
  const header = viewOf(state);
  header.setUint16(8, vl, true);
  header.setUint16(12, 1, true); // SVE_PT_REGS_SVE
  const frame = frameOf(stoppedWith(63n), { state, note: 0x405 });
  assert.ok(frame !== undefined);
  const view = viewOf(frame.bytes);
  const sve = RECORDS + 528;
  assert.deepEqual([view.getUint32(sve, true), view.getUint16(sve + 8, true)], [0x53564501, vl]);
  assert.deepEqual([...frame.bytes.subarray(sve + 16, sve + size)], [...state.subarray(16, size)]);
  assert.deepEqual(
    [...frame.bytes.subarray(RECORDS + 32, RECORDS + 48)],
    [...state.subarray(16 + vl, 32 + vl)],
  );
  assert.equal(syscall.isLostInCalls(state, 0x405), true);
  assert.equal(syscall.isLostInCalls(plain(), 2), false);
  // Streaming mode shows as a header alone.
  assert.equal(frameOf(stoppedWith(63n), { state: new Uint8Array(16), note: 0x405 }), undefined);
});

test('a restarted call is made under its first number, or not at all', () => {
  const before = Uint8Array.of(0x68, 0x0e, 0x80, 0xd2, 0xe0, 0x03, 0x01, 0xaa); // mov x8, #115; mov x0, x1
  const frame = frameOf(stoppedWith(128n), { before, at: SVC });
  assert.ok(frame !== undefined);
  assert.equal(viewOf(frame.bytes).getBigUint64(FRAME_X0 + X8, true), 115n);
  assert.equal(frameOf(stoppedWith(128n), { at: SVC }), undefined);
  const branch = Uint8Array.of(...before.subarray(0, 4), 0x02, 0, 0, 0x14); // b .+8
  assert.equal(frameOf(stoppedWith(128n), { before: branch, at: SVC }), undefined);
  assert.ok(frameOf(stoppedWith(128n)) !== undefined, 'x8 means nothing away from a system call');
});

test('a call is entered with its arguments, the way back in x30, and no landing pad due', () => {
  const prstatus = stoppedWith(63n);
  const frame = frameOf(prstatus)!;
  const call = { kind: 'syscall', number: 222, args: [1n, -1n] } as const;
  const view = viewOf(syscall.enterCall(prstatus, frame, gadget, call));
  const word = (at: number) => view.getBigUint64(at, true);
  assert.deepEqual([word(0), word(8), word(16)], [1n, 0xffff_ffff_ffff_ffffn, 0n]);
  assert.deepEqual([word(X8), word(240), word(registers.pc)], [222n, 0xaaaan, gadget]);
  assert.equal(word(registers.sp), frame.stackPointer);
  assert.equal(word(PSTATE), 0x8000_0000n);
});

test('a chain leads from frame to frame, and the last one is the thread’s own', () => {
  const frame = frameOf(stoppedWith(63n))!;
  const calls = [1, 2, 3].map((number) => ({ kind: 'syscall', number, args: [] }) as const);
  const chained = syscall.chain(frame, gadget, calls, 0x77n);
  const size = frame.bytes.length;
  assert.equal(chained.stackPointer, frame.stackPointer - BigInt(2 * size));
  const view = viewOf(chained.bytes);
  const seen = [0, 1].map((index) => {
    const at = index * size + FRAME_X0;
    return [X8, registers.pc, registers.sp, 240].map((offset) => view.getBigUint64(at + offset, true));
  });
  assert.deepEqual(seen, [
    [2n, gadget, frame.stackPointer - BigInt(size), 0xaaaan],
    [3n, gadget, frame.stackPointer, 0xaaaan],
  ]);
  assert.deepEqual([...chained.bytes.subarray(2 * size)], [...frame.bytes]);
});

test('what the registers say of a blocked call', () => {
  const at = (code: Uint8Array) => () => code;
  assert.deepEqual(syscall.interruptedCall(stoppedWith(63n), at(SVC)), { number: 63 });
  assert.equal(syscall.interruptedCall(stoppedWith(63n), at(new Uint8Array(4))), undefined);
  const futex = stoppedWith(98n);
  assert.equal(syscall.hidesRestart?.(futex), false, 'without a time limit');
  viewOf(futex).setBigUint64(24, 0xffff_0000n, true);
  assert.equal(syscall.hidesRestart?.(futex), true);
  viewOf(futex).setBigUint64(8, 9n, true);
  assert.equal(syscall.hidesRestart?.(futex), false, 'FUTEX_WAIT_BITSET waits until a point in time');
  assert.equal(syscall.hidesRestart?.(stoppedWith(115n)), true);
});
