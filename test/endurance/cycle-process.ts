/**
 * The engine as a library, in a process of its own: applies a patch and takes it back, again and again, and says in the
 * file PHASE what is so now (client.c). Arguments: pid, PHASE, patch file. Each line of input is a number of cycles; each
 * line of output says what they took, and what this process holds.
 */
import { openSync, readdirSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { applyPatches, revertPatches } from '../../src/apply/engine.ts';
import { Target } from '../../src/process/target.ts';
import { loadPatches } from '../../src/store/catalogue.ts';

export interface CycleAnswer {
  readonly milliseconds: number;
  readonly longestStopMicroseconds: number;
  /** Of this process, in bytes, after garbage has been collected. */
  readonly heap: number;
  readonly resident: number;
  readonly descriptors: number;
}

/** The client sees each of the two versions for so long, in milliseconds. */
const SETTLED_MS = 1;

const [pid, phase, file] = process.argv.slice(2);
const patches = loadPatches([file!]).map(({ patch }) => patch);
const ids = patches.map(({ manifest }) => manifest.id);
const descriptor = openSync(phase!, 'r+');
const never = new Int32Array(new SharedArrayBuffer(4));
let changes = 0;

const say = (now: 'old' | 'new' | 'changing'): void => {
  changes++;
  const word = ['old', 'new', 'changing'].indexOf(now) + changes * 4;
  writeSync(descriptor, Uint32Array.of(word), 0, 4, 0);
};

let longest = 0;
function change(work: () => ReturnType<typeof applyPatches>, wanted: string, then: 'old' | 'new'): void {
  say('changing');
  const [outcome] = work();
  if (outcome?.outcome !== wanted) throw new Error(`cycle ${changes >> 2}: ${JSON.stringify(outcome)}`);
  longest = Math.max(longest, outcome.stopMicroseconds);
  say(then);
  Atomics.wait(never, 0, 0, SETTLED_MS);
}

/** EngineOptions, for machines on which a stop takes longer. */
const options = JSON.parse(process.env.SUTURE_LIMITS ?? '{}') as { maxStopMs?: number; timeoutMs?: number };
const target = Target.open(Number(pid));
for await (const line of createInterface({ input: process.stdin })) {
  const started = performance.now();
  longest = 0;
  for (let left = Number(line); left > 0; left--) {
    change(() => applyPatches([target], patches, options), 'applied', 'new');
    change(() => revertPatches([target], ids, options), 'reverted', 'old');
  }
  const milliseconds = performance.now() - started;
  global.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  const answer: CycleAnswer = {
    milliseconds,
    longestStopMicroseconds: longest,
    heap: heapUsed,
    resident: rss,
    descriptors: readdirSync('/proc/self/fd').length,
  };
  console.log(JSON.stringify(answer));
}
