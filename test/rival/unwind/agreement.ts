/**
 * Our walk beside gdb's, of the same thread at the same moment. Where ours stops early it must be the search of the
 * stack that finds every return address that gdb knows beyond: that is what decides whether a function may be changed.
 */
import { type ForbiddenRange, judge } from '../../../src/apply/safety.ts';
import { x86_64 } from '../../../src/arch/x86_64/index.ts';
import { hex, remote } from '../../../src/bytes/address.ts';
import { RegisterFile } from '../../../src/unwind/frame.ts';
import { type Walk, walk } from '../../../src/unwind/walk.ts';
import { MOST_FRAMES, type RivalThread } from './gdb-session.ts';
import type { Held } from './held.ts';

/** What became of one thread at one moment. */
export type Agreement =
  /** Every frame alike, to the end of both. */
  | 'whole'
  /** Alike as far as ours goes; the search of the stack finds all that gdb has beyond. */
  | 'search-took-over'
  /** Alike as far as gdb's goes; ours goes further. */
  | 'gdb-ended-first'
  | 'differs'
  /** A frame of gdb's that neither the walk nor the search found. */
  | 'missed';

export interface Comparison {
  readonly agreement: Agreement;
  /** Frames that both have, one by one, and how many of them are alike. */
  readonly compared: number;
  readonly equal: number;
  readonly signalFrames: number;
  readonly vdsoFrames: number;
  /** Return addresses beyond our walk that the search found. */
  readonly searched: number;
  /** For a person, of anything but 'whole'. */
  readonly details: string;
}

export function compareThread(held: Held, thread: RivalThread): Comparison {
  const ours = walkOf(held, thread);
  const { frames, end } = ours;
  const mine = frames.map(({ pc }) => pc as bigint);
  const shared = Math.min(mine.length, thread.pcs.length);
  const differing = mine.slice(0, shared).findIndex((pc, i) => pc !== thread.pcs[i]);
  const equal = differing < 0 ? shared : differing;
  const counts = {
    compared: differing < 0 ? shared : differing + 1,
    equal,
    signalFrames: frames.slice(0, equal).filter(({ kind }) => kind === 'signal').length,
    vdsoFrames: frames.slice(0, equal).filter(({ module }) => module?.name === '[vdso]').length,
    searched: 0,
  };
  const details = describe(held, ours, thread);
  if (differing >= 0) return { ...counts, agreement: 'differs', details };
  const beyond = thread.pcs.slice(mine.length).filter((pc) => held.isCode(pc));
  if (end.kind === 'lost' && mine.length <= thread.pcs.length) {
    const missed = beyond.filter((pc) => !isFound(held, ours, thread, pc));
    if (missed.length > 0) {
      const text = `${details}\n  not found: ${missed.map((pc) => hex(remote(pc))).join(' ')}`;
      return { ...counts, agreement: 'missed', details: text };
    }
    return { ...counts, searched: beyond.length, agreement: 'search-took-over', details };
  }
  if (mine.length > thread.pcs.length) return { ...counts, agreement: 'gdb-ended-first', details };
  return { ...counts, agreement: beyond.length > 0 ? 'differs' : 'whole', details };
}

function walkOf(held: Held, { registers }: RivalThread): Walk {
  const file = new RegisterFile(x86_64.registers.dwarf.length, remote(registers[16]!));
  registers.forEach((value, number) => {
    file.set(number, value);
  });
  return walk({
    arch: x86_64,
    registers: file,
    readMemory: (at, size) => held.read(at, size),
    moduleAt: (pc) => held.moduleAt(pc),
    maxFrames: MOST_FRAMES,
  });
}

/** Whether a function whose call returns to `pc` would be refused to be changed. */
function isFound(held: Held, { frames, end }: Walk, { tid, registers }: RivalThread, pc: bigint): boolean {
  const forbidden: ForbiddenRange = { start: remote(pc - 1n), end: remote(pc + 1n), name: 'changed' };
  const verdict = judge({
    threads: [{ tid, frames, end, registers: x86_64.registers.calleeSaved.map((n) => registers[n]!) }],
    forbidden: [forbidden],
    tryRead: (at, size) => held.read(at, size),
    stackEnd: (at) => held.mappingEnd(at),
    pageSize: x86_64.pageSize,
  });
  return verdict.kind !== 'safe';
}

const SHOWN = 40;

function describe(held: Held, { frames, end }: Walk, thread: RivalThread): string {
  const name = (pc: bigint): string => {
    const module = held.moduleAt(remote(pc));
    return module === undefined
      ? `${hex(remote(pc))} (no object)`
      : `${hex(remote(pc))} (${module.name.split('/').at(-1)}+${hex(remote(pc - module.bias))})`;
  };
  const rows = Array.from({ length: Math.min(SHOWN, Math.max(frames.length, thread.pcs.length)) }, (_, i) => {
    const mine = frames[i];
    const theirs = thread.pcs[i];
    const mark = mine?.pc === theirs ? ' ' : '!';
    return `  ${mark} ${mine === undefined ? '-' : name(mine.pc)}${mine?.kind === 'signal' ? ' signal' : ''}   ${theirs === undefined ? '-' : name(theirs)}`;
  });
  const ended = end.kind === 'lost' ? `lost: ${end.reason}` : 'at the bottom';
  return [`thread ${thread.tid}: ours ${ended}; gdb: ${thread.end}`, ...rows].join('\n');
}
