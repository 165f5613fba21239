import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Remote, remote } from '../bytes/address.ts';
import { judge, type SeenThread } from './safety.ts';

const forbidden = [{ start: remote(0x7f00_0000_1000n), end: remote(0x7f00_0000_1040n), name: 'handle' }];
const caller = (address: bigint) => ({ pc: remote(address), lookupPc: remote(address - 1n) });
const innermost = (address: bigint) => ({ pc: remote(address), lookupPc: remote(address) });
const thread = (parts: Partial<SeenThread>): SeenThread => ({
  tid: 7,
  frames: [],
  end: { kind: 'bottom' },
  registers: [],
  ...parts,
});
const STACK = 0x7ffe_0000_0000n;
const stackOf = (words: bigint[]) => ({
  tryRead: (at: Remote, size: number) => {
    const bytes = new Uint8Array(BigUint64Array.from(words).buffer);
    const from = Number(at - STACK);
    return from < 0 || from + size > bytes.length ? undefined : bytes.subarray(from, from + size);
  },
  stackEnd: (at: Remote) => (at >= STACK ? remote(STACK + BigInt(words.length * 8)) : undefined),
});
const verdictOf = (seen: SeenThread, words: bigint[] = []) =>
  judge({
    threads: [seen],
    forbidden,
    ...stackOf(words),
    pageSize: 4096,
  });
const lost = (at: bigint) => ({ kind: 'lost' as const, at: remote(at), reason: 'no unwind table' });

test('a thread elsewhere is no obstacle', () => {
  assert.equal(verdictOf(thread({ frames: [innermost(0x7f00_0000_2000n)] })).kind, 'safe');
});

test('a thread inside, at any depth, is', () => {
  for (const frames of [
    [innermost(0x7f00_0000_1000n)],
    [innermost(0x7f00_0000_1005n)],
    [innermost(0x7f00_0000_2000n), caller(0x7f00_0000_1020n)],
  ]) {
    const verdict = verdictOf(thread({ frames }));
    assert.equal(verdict.kind, 'busy');
    assert.match(verdict.kind === 'busy' ? verdict.obstacles[0]!.why : '', /handle/);
  }
});

test('a return address right behind a last call belongs to the caller', () => {
  assert.equal(verdictOf(thread({ frames: [caller(0x7f00_0000_1040n)] })).kind, 'busy');
  assert.equal(verdictOf(thread({ frames: [innermost(0x7f00_0000_1040n)] })).kind, 'safe');
});

test('a lost walk is followed by a search of the stack', () => {
  const seen = thread({ frames: [innermost(0x7f00_0000_2000n)], end: lost(STACK + 8n) });
  assert.equal(verdictOf(seen, [0x7f00_0000_1010n, 1n, 2n]).kind, 'safe', 'below the stack pointer');
  assert.equal(verdictOf(seen, [0n, 1n, 0x7f00_0000_1010n]).kind, 'busy');
  assert.equal(verdictOf(seen, [0n, 1n, 0x7f00_0000_1000n]).kind, 'safe', 'an entry is no return address');
  assert.equal(verdictOf(seen, [0n, 1n, 0x7f00_0000_1040n]).kind, 'busy');
});

test('a lost walk with a return address in a register', () => {
  const seen = thread({ end: lost(STACK), registers: [0x7f00_0000_1004n] });
  assert.equal(verdictOf(seen, [0n]).kind, 'busy');
});

test('what can be neither unwound nor searched is refused', () => {
  assert.equal(verdictOf(thread({ end: lost(8n) })).kind, 'blind');
});

test('the address of the next function is none to return to, unless a call stands before it', () => {
  const [range] = forbidden;
  const code = (at: Remote, size: number) =>
    at >= range!.start && at < range!.end ? new Uint8Array(size).fill(0xe8) : undefined;
  const stack = stackOf([range!.end]);
  const judged = (isCall: boolean) =>
    judge({
      threads: [thread({ end: lost(STACK), registers: [range!.end] })],
      forbidden,
      ...stack,
      tryRead: (at, size) => code(at, size) ?? stack.tryRead(at, size),
      endsWithCall: () => isCall,
      pageSize: 4096,
    }).kind;
  assert.equal(judged(false), 'safe');
  assert.equal(judged(true), 'busy');
});
