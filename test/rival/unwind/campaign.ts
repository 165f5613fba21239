/** Stacks of many programs at many moments, ours beside gdb's, with the sums of what was found. */
import { type Agreement, type Comparison, compareThread } from './agreement.ts';
import { sampleUnderGdb } from './gdb-session.ts';
import { Held } from './held.ts';
import type { SampledProgram } from './programs.ts';

export interface Tally {
  moments: number;
  stacks: number;
  compared: number;
  equal: number;
  signalFrames: number;
  vdsoFrames: number;
  searched: number;
  readonly agreements: Record<Agreement, number>;
}

export const emptyTally = (): Tally => ({
  moments: 0,
  stacks: 0,
  compared: 0,
  equal: 0,
  signalFrames: 0,
  vdsoFrames: 0,
  searched: 0,
  agreements: { whole: 0, 'search-took-over': 0, 'gdb-ended-first': 0, differs: 0, missed: 0 },
});

/** Stops the program `stops` times and compares all its threads; `say` is told of each that is not alike to its end. */
export async function compareProgram(
  program: SampledProgram,
  options: { readonly folder: string; readonly stops: number; readonly seed: number },
  say: (comparison: Comparison) => void,
): Promise<Tally> {
  const tally = emptyTally();
  let held: Held | undefined;
  try {
    tally.moments = await sampleUnderGdb(
      program.command,
      {
        ...options,
        cwd: options.folder,
        ...(program.settleMs === undefined ? {} : { settleMs: program.settleMs }),
      },
      ({ pid, threads }) => {
        held ??= new Held(pid);
        held.refresh();
        for (const thread of threads) {
          const comparison = compareThread(held, thread);
          add(tally, comparison);
          if (comparison.agreement !== 'whole') say(comparison);
        }
      },
    );
  } finally {
    held?.close();
  }
  return tally;
}

function add(tally: Tally, one: Comparison): void {
  tally.stacks++;
  tally.compared += one.compared;
  tally.equal += one.equal;
  tally.signalFrames += one.signalFrames;
  tally.vdsoFrames += one.vdsoFrames;
  tally.searched += one.searched;
  tally.agreements[one.agreement]++;
}

export function sumOf(tallies: readonly Tally[]): Tally {
  const sum = emptyTally();
  for (const tally of tallies) {
    for (const key of [
      'moments',
      'stacks',
      'compared',
      'equal',
      'signalFrames',
      'vdsoFrames',
      'searched',
    ] as const)
      sum[key] += tally[key];
    for (const key of Object.keys(sum.agreements) as Agreement[])
      sum.agreements[key] += tally.agreements[key];
  }
  return sum;
}

export function rowOf(name: string, tally: Tally): string {
  const { agreements: a } = tally;
  const cells = [
    tally.moments,
    tally.stacks,
    tally.compared,
    tally.equal,
    tally.signalFrames,
    tally.vdsoFrames,
    a.whole,
    a['search-took-over'],
    tally.searched,
    a['gdb-ended-first'],
    a.differs,
    a.missed,
  ];
  return `${name.padEnd(26)}${cells.map((cell) => String(cell).padStart(9)).join('')}`;
}

export const HEADING = `${'program'.padEnd(26)}${[
  'moments',
  'stacks',
  'frames',
  'equal',
  'signal',
  'vdso',
  'whole',
  'search',
  'searched',
  'gdb less',
  'differ',
  'missed',
]
  .map((word) => word.padStart(9))
  .join('')}`;
