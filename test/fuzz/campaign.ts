/** Runs inputs of all kinds and says for each how many were taken, and how long the slowest took. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Chance } from './chance.ts';
import type { FuzzKind } from './kinds.ts';

export interface KindTally {
  readonly name: string;
  inputs: number;
  /** Inputs that were taken for sound: the rest got a clear error. */
  taken: number;
  /** CPU milliseconds of the slowest input, and the seed that makes it. */
  slowest: { readonly milliseconds: number; readonly seed: number };
}

/** No input may take longer, in milliseconds of CPU time: a busy machine is no fault of the parser. */
const LONGEST_MS = 1000;

export interface Failure {
  readonly kind: string;
  readonly seed: number;
  readonly file: string;
  readonly reason: string;
}

/** One input is made of one number: seed + its index. Failing inputs are saved in `folder`. */
export function fuzz(
  kinds: readonly FuzzKind[],
  options: {
    readonly inputs: number;
    readonly seed: number;
    readonly folder: string;
    readonly each?: (done: number) => void;
  },
): { readonly tallies: readonly KindTally[]; readonly failures: readonly Failure[] } {
  const wheel = kinds.flatMap((kind) => new Array<FuzzKind>(kind.weight).fill(kind));
  const tallies = new Map(
    kinds.map(({ name }) => [
      name,
      { name, inputs: 0, taken: 0, slowest: { milliseconds: 0, seed: 0 } } as KindTally,
    ]),
  );
  const failures: Failure[] = [];
  for (let i = 0; i < options.inputs; i++) {
    const seed = options.seed + i;
    const chance = new Chance(seed);
    const kind = chance.of(wheel);
    const tally = tallies.get(kind.name)!;
    const input = kind.input(chance);
    tally.inputs++;
    const before = process.cpuUsage();
    const fail = (reason: string): void => {
      mkdirSync(options.folder, { recursive: true });
      const file = join(options.folder, `${kind.name.replaceAll(/\W+/g, '-')}-${seed}`);
      writeFileSync(file, input);
      failures.push({ kind: kind.name, seed, file, reason });
    };
    try {
      if (kind.check(input)) tally.taken++;
    } catch (error) {
      fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
    }
    const { user, system } = process.cpuUsage(before);
    const milliseconds = (user + system) / 1000;
    if (milliseconds > tally.slowest.milliseconds) tally.slowest = { milliseconds, seed };
    if (milliseconds > LONGEST_MS) fail(`took ${milliseconds} ms`);
    options.each?.(i + 1);
  }
  return { tallies: [...tallies.values()], failures };
}
