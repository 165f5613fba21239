/**
 * The engine in a process of its own, which is not its targets' parent: carries out requests, one JSON line each, and
 * answers each with one. At a chosen step of a command it dies, or has the target end.
 */
import { openSync, readdirSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { installSteps, isAct } from './steps.ts';

export type Act = 'apply' | 'revert' | 'repair' | 'verify';

/** What happens at a step. The last two are asked of the program by a word in a file that it has mapped. */
export type Event = 'die' | 'kill' | 'exit' | 'exec';

export interface Request {
  readonly act: Act;
  readonly pid: number;
  /** The n-th step of that name, or of those that change something if it is 'act'; counted from 1. */
  readonly when?: {
    readonly step: string;
    readonly n: number;
    readonly event: Event;
    readonly control?: string;
  };
}

export interface Answer {
  readonly outcome: string;
  readonly reason: string;
  /** Of every step, in order. */
  readonly steps: readonly string[];
  /** Index of the step before which the event came; -1 if the command took fewer. */
  readonly happened: number;
  readonly milliseconds: number;
  readonly heldMicroseconds: number;
  readonly descriptors: number;
}

/** Time for a running program to do what it was asked. */
const REACTION_MS = 2;
export const CONTROL_WORD: Readonly<Record<string, number>> = { exit: 1, exec: 2 };

const write = writeSync;
const open = openSync;
let steps: string[] = [];
let awaited: Request | undefined;
let left = 0;
let happened = -1;

installSteps((name) => {
  steps.push(name);
  const step = awaited?.when?.step;
  if (step === undefined || happened >= 0 || (step !== name && !(step === 'act' && isAct(name)))) return;
  if (--left === 0) happen(awaited!);
});

function happen({ pid, when }: Request): void {
  happened = steps.length - 1;
  switch (when?.event) {
    case undefined:
      return;
    case 'die':
      process.kill(process.pid, 'SIGKILL');
      return;
    case 'kill':
      process.kill(pid, 'SIGKILL');
      return;
    default: {
      const word = CONTROL_WORD[when?.event ?? ''] ?? 0;
      write(control(when?.control ?? ''), Uint8Array.of(word, 0, 0, 0), 0, 4, 0);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, REACTION_MS);
    }
  }
}

const controls = new Map<string, number>();
function control(path: string): number {
  const known = controls.get(path) ?? open(path, 'r+');
  controls.set(path, known);
  return known;
}

const { applyPatches, repairProcess, revertPatches, verifyProcess } = await import(
  '../../src/apply/engine.ts'
);
const { SutureError } = await import('../../src/base/errors.ts');
const { Target } = await import('../../src/process/target.ts');
const { loadPatches } = await import('../../src/store/catalogue.ts');

/** EngineOptions, for machines on which a stop takes longer. */
const options = JSON.parse(process.env.SUTURE_LIMITS ?? '{}') as { maxStopMs?: number; timeoutMs?: number };

const patches = new Map<string, ReturnType<typeof loadPatches>[number]['patch'][]>();
function patchesOf(files: readonly string[]) {
  const key = files.join('\0');
  const known = patches.get(key) ?? loadPatches(files).map(({ patch }) => patch);
  patches.set(key, known);
  return known;
}

interface Result {
  readonly outcome: string;
  readonly reason?: string;
  readonly stopMicroseconds: number;
}

function carryOut({ act, pid }: Request, files: readonly string[]): Result {
  const chosen = patchesOf(files);
  const target = Target.open(pid);
  try {
    switch (act) {
      case 'apply':
        return applyPatches([target], chosen, options)[0]!;
      case 'revert':
        return revertPatches([target], [...new Set(chosen.map(({ manifest }) => manifest.id))], options)[0]!;
      case 'repair':
        return repairProcess(target);
      case 'verify': {
        const wrong = verifyProcess(target).filter(({ severity }) => severity !== 'ok');
        return {
          outcome: wrong.length === 0 ? 'sound' : 'unsound',
          reason: JSON.stringify(wrong),
          stopMicroseconds: 0,
        };
      }
      default:
        return act satisfies never;
    }
  } finally {
    target.close();
  }
}

function answerTo(request: Request, files: readonly string[]): Answer {
  patchesOf(files);
  steps = [];
  awaited = request;
  left = request.when?.n ?? 0;
  happened = -1;
  const started = performance.now();
  let result: Result;
  try {
    result = carryOut(request, files);
  } catch (error) {
    const code = error instanceof SutureError ? error.code : 'defect';
    const reason = error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
    result = { outcome: `error ${code}`, reason, stopMicroseconds: 0 };
  }
  const milliseconds = performance.now() - started;
  awaited = undefined;
  const { outcome, reason = '', stopMicroseconds } = result;
  const descriptors = readdirSync('/proc/self/fd').length - controls.size;
  return { outcome, reason, steps, happened, milliseconds, heldMicroseconds: stopMicroseconds, descriptors };
}

const say = (line: unknown): void => void write(1, `${JSON.stringify(line)}\n`);
say('ready');
for await (const line of createInterface({ input: process.stdin })) {
  const { request, files } = JSON.parse(line) as { request: Request; files: string[] };
  patchesOf(files);
  say('begin');
  say(answerTo(request, files));
}
