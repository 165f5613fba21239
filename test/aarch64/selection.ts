/** Which runs of test/programs are made on AArch64, on which models of the CPU, and why others are not. */
import type { Case } from '../programs/case.ts';

export const CPU = 'aarch64';

export interface Machine {
  readonly name: string;
  /** qemu's -cpu. */
  readonly cpu: string;
  /** Given to every compile. */
  readonly flags: readonly string[];
}

export const MACHINES: readonly Machine[] = [
  { name: 'cortex-a72', cpu: 'cortex-a72', flags: [] },
  {
    name: 'with pointer authentication',
    cpu: 'max,pauth-impdef=on',
    flags: ['-mbranch-protection=standard'],
  },
];

/** The words by which directives of the case are chosen. */
export const wordsOf = (one: Case, variant: readonly string[], flags: readonly string[] = []): string[] => [
  ...one.flags,
  ...variant,
  CPU,
  ...flags,
];

/** Every set of flags with which the case says something about this CPU. */
export function runsOf(one: Case): (readonly string[])[] {
  if (one.scenario !== undefined) return [];
  return [...one.matrix, ...one.matrixOf(CPU)].filter(
    (variant) => one.unfit(wordsOf(one, variant)) === undefined,
  );
}

/** Cases that were not yet seen to pass with branch protection and pointer authentication: `npm run test:aarch64` runs them. */
const UNSEEN: readonly string[] = [
  ...[
    'accept-layout',
    'alias-changed',
    'changed-type',
    'comdat',
    'comdat-library',
    'cxx-anonymous-namespace',
  ],
  ...['cxx-constructor', 'cxx-destructor', 'cxx-destructor-inline', 'cxx-destructor-virtual'],
  ...[
    'cxx-dynamic-initialization',
    'cxx-member-pointer',
    'cxx-virtual-base',
    'destructor-added',
    'frame-pointer',
  ],
];

/** One run of the case for each machine, another compiler's on the second where there is one. */
export function briefRunsOf(one: Case, machine: Machine): (readonly string[])[] {
  if (machine !== MACHINES[0] && UNSEEN.includes(one.name)) return [];
  const runs = runsOf(one);
  const chosen = machine === MACHINES[0] ? runs[0] : runs.at(-1);
  return chosen === undefined ? [] : [chosen];
}
