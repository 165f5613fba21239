import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remote } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import { registers } from './registers.ts';
import { syscall } from './syscall.ts';

const RAX = 80;
const ORIG_RAX = 120;
const TILES = 0x6_0000n;

function stateOf(size: number, known: bigint, inUse: bigint): Uint8Array {
  const dump = new Uint8Array(size);
  viewOf(dump).setBigUint64(464, known, true);
  viewOf(dump).setBigUint64(512, inUse, true);
  return dump;
}

function frameOf(
  prstatus: Uint8Array,
  extendedState = stateOf(832, 7n, 7n),
  codeBeforePc = new Uint8Array(16),
) {
  return syscall.signalFrame({
    prstatus,
    extendedState,
    extendedStateNote: 0x202,
    codeAtPc: new Uint8Array(0),
    signalMask: 0x55n,
    stackTop: remote(0x7000_1234_5678n),
    returnWords: [0xaaaan],
    codeBeforePc,
  });
}

/** A thread after its `syscall` at 0x1000, in call `number` with `rax`. */
function stoppedIn(number: bigint, rax: bigint): Uint8Array {
  const prstatus = new Uint8Array(registers.prstatusSize);
  const view = viewOf(prstatus);
  view.setBigInt64(ORIG_RAX, number, true);
  view.setBigInt64(RAX, rax, true);
  view.setBigUint64(registers.pc, 0x1002n, true);
  return prstatus;
}

// Offsets in rt_sigframe: rax at 8 + 40 + 13 * 8, rip two words on, fpstate at 8 + 40 + 23 * 8
const frameRax = (bytes: Uint8Array): bigint => viewOf(bytes).getBigInt64(152, true);
const frameRip = (bytes: Uint8Array): bigint => viewOf(bytes).getBigUint64(176, true);
const frameState = (bytes: Uint8Array): bigint => viewOf(bytes).getBigUint64(232, true);

test('the frame lies as the kernel wants it', () => {
  const frame = frameOf(stoppedIn(-1n, 7n));
  assert.ok(frame !== undefined);
  assert.equal((frame.returnSlot + 8n) % 16n, 0n);
  assert.equal(frameState(frame.bytes) % 64n, 0n);
  assert.ok(frame.stackPointer + BigInt(frame.bytes.length) <= 0x7000_1234_5678n);
  assert.equal(viewOf(frame.bytes).getBigUint64(0, true), 0xaaaan);
  assert.equal(frameRax(frame.bytes), 7n);
  assert.equal(frameRip(frame.bytes), 0x1002n);
});

test('a blocked call is made again, a restarted one under its first number, or not at all', () => {
  const blocked = frameOf(stoppedIn(0n, -512n));
  assert.ok(blocked !== undefined);
  assert.deepEqual([frameRax(blocked.bytes), frameRip(blocked.bytes)], [0n, 0x1000n]);
  const code = Uint8Array.of(0x90, 0xb8, 0x07, 0, 0, 0, 0x0f, 0x05); // nop; mov $7,%eax; syscall
  const restarted = frameOf(stoppedIn(219n, -516n), undefined, code);
  assert.ok(restarted !== undefined);
  assert.deepEqual([frameRax(restarted.bytes), frameRip(restarted.bytes)], [7n, 0x1000n]);
  assert.equal(frameOf(stoppedIn(219n, -516n)), undefined);
  const failed = frameOf(stoppedIn(232n, -4n));
  assert.ok(failed !== undefined);
  assert.deepEqual([frameRax(failed.bytes), frameRip(failed.bytes)], [-4n, 0x1002n]);
});

test('matrix tiles that are not in use are left out of the frame: it would be refused for its size', () => {
  const sizeAndFeatures = (state: Uint8Array): [number, bigint] => {
    const frame = frameOf(stoppedIn(-1n, 0n), state);
    assert.ok(frame !== undefined);
    const at = Number(frameState(frame.bytes) - frame.stackPointer) + 464;
    const view = viewOf(frame.bytes);
    assert.equal(view.getUint32(at, true), 0x46505853);
    const size = view.getUint32(at + 16, true);
    assert.equal(view.getUint32(at - 464 + size, true), 0x46505845);
    return [size, view.getBigUint64(at + 8, true)];
  };
  assert.deepEqual(sizeAndFeatures(stateOf(11008, 0x2e7n | TILES, 0x2e7n)), [2752, 0x2e7n]);
  assert.deepEqual(sizeAndFeatures(stateOf(11008, 0x2e7n | TILES, 0x2e7n | TILES)), [11008, 0x2e7n | TILES]);
  assert.deepEqual(sizeAndFeatures(stateOf(2696, 0x2e7n, 7n)), [2696, 0x2e7n]);
});
