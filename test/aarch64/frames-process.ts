/**
 * Runs inside of the emulated machine: stops a process again and again, walks each thread's stack by call frame information
 * and by the chain of frame records (AAPCS64, 6.4.6), and compares. Arguments: pid, rounds; prints totals as JSON.
 *
 * The chain knows less: the caller of a function that has not yet made its record, or never does, is in x30 alone. And it
 * knows something wrong: of a function that a signal interrupts it has x30 as it was, often an old one.
 */
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { moduleFinder, unwindModules } from '../../src/apply/unwind-modules.ts';
import { hex, type Remote, remote } from '../../src/bytes/address.ts';
import { viewOf } from '../../src/bytes/record.ts';
import { stopAll } from '../../src/process/stop.ts';
import { Target } from '../../src/process/target.ts';
import type { RegisterFile } from '../../src/unwind/frame.ts';
import { type Walk, walk } from '../../src/unwind/walk.ts';

export interface FrameTotals {
  stops: number;
  threads: number;
  /** Return addresses that both ways found. */
  agreed: number;
  /** Callers that only call frame information knows. */
  withoutRecord: number;
  signalFrames: number;
  deepest: number;
}

const FRAME_POINTER = 29;
const RECORD = 16;
const MOST_RECORDS = 1000;
const COLLECT_MS = 5000;
const PAUSE_MS = 7;

const [pid, rounds] = process.argv.slice(2).map(Number);
const target = Target.open(pid!);
const totals: FrameTotals = {
  stops: 0,
  threads: 0,
  agreed: 0,
  withoutRecord: 0,
  signalFrames: 0,
  deepest: 0,
};
const { arch } = target;
const readMemory = (at: Remote, size: number): Uint8Array | undefined => target.memory.tryRead(at, size);
const find = moduleFinder(unwindModules(target.modules(target.maps()), [], readMemory));

while (totals.stops < rounds!) {
  const stopped = stopAll(target, { collectDeadlineMs: COLLECT_MS });
  assert.ok(!('kind' in stopped), 'not all threads stopped in time');
  try {
    totals.stops++;
    for (const { registers } of stopped.threads) {
      const ours = walk({ arch, registers, readMemory, moduleAt: find });
      compare(ours, chainOf(registers), registers);
    }
  } finally {
    stopped.release();
  }
  await pause(Math.random() * PAUSE_MS);
}
target.close();
console.log(JSON.stringify(totals));

/** Return addresses by frame records, innermost first. */
function chainOf(registers: RegisterFile): Remote[] {
  const found: Remote[] = [];
  let at = registers.get(FRAME_POINTER) ?? 0n;
  while (at !== 0n && found.length < MOST_RECORDS) {
    const bytes = readMemory(remote(at), RECORD);
    if (bytes === undefined) break;
    const next = viewOf(bytes).getBigUint64(0, true);
    const address = viewOf(bytes).getBigUint64(8, true);
    const bare = arch.unwind.stripReturnAddress!(address, registers.authenticationMask);
    if (bare === 0n) break;
    found.push(remote(bare));
    // A record further in is that of a signal's own stack; nothing here has one.
    if (next !== 0n && next <= at) break;
    at = next;
  }
  return found;
}

/** Every record's address must be among the walk's, in order, and what the walk has besides must be of one kind. */
function compare({ frames, end }: Walk, chain: readonly Remote[], registers: RegisterFile): void {
  const said = (): string =>
    [
      `walk: ${frames.map(({ pc, kind }) => `${hex(pc)}${kind === 'signal' ? ' (signal)' : ''}`).join(' ')}`,
      end.kind === 'lost' ? `lost: ${end.reason}` : 'to the bottom',
      `records: ${chain.map(hex).join(' ')}`,
      `sp ${hex(remote(registers.get(arch.registers.dwarfSp)!))}`,
    ].join('\n');
  assert.equal(end.kind, 'bottom', said());
  const isSignal = (index: number): boolean => frames[index]?.kind === 'signal';
  /** From a frame and a record on; undefined if they cannot belong together. */
  const agreement = (index: number, next: number): { agreed: number; lacking: number } | undefined => {
    if (index === frames.length) return next === chain.length ? { agreed: 0, lacking: 0 } : undefined;
    // The record that the kernel makes has the interrupted function's x30, of use or not, and never its pc.
    if (isSignal(index - 1)) return agreement(index + 1, next) ?? agreement(index + 1, next + 1);
    if (chain[next] === frames[index]!.pc) {
      const above = agreement(index + 1, next + 1);
      if (above !== undefined) return { ...above, agreed: above.agreed + 1 };
    }
    // Only a function that was stopped where it stands may lack a record of its caller.
    if (index !== 1 && !isSignal(index - 2)) return undefined;
    const above = agreement(index + 1, next);
    return above && { ...above, lacking: above.lacking + 1 };
  };
  const found = agreement(1, 0);
  assert.ok(found !== undefined, `the two do not belong together\n${said()}`);
  totals.agreed += found.agreed;
  totals.withoutRecord += found.lacking;
  totals.signalFrames += frames.filter(({ kind }) => kind === 'signal').length;
  totals.threads++;
  totals.deepest = Math.max(totals.deepest, frames.length);
}
