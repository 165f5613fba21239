/**
 * Processes that end, or begin another program, while a command works on them: before each kind of step, at several of
 * its occurrences. The command says so and leaves nothing behind.
 */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Program, patchOf, Workshop } from '../apply/fixture.ts';
import { Chance } from './chance.ts';
import { bundled, Engine } from './engine.ts';
import type { Act, Answer, Event } from './engine-process.ts';

export interface EndingCase {
  readonly act: Extract<Act, 'apply' | 'revert'>;
  readonly threads: number;
  readonly event: Exclude<Event, 'die'>;
  readonly step: string;
  /** Which occurrence of the step, from 1. */
  readonly n: number;
}

export const nameOf = ({ act, threads, event, step, n }: EndingCase): string =>
  `${event} of ${threads} threads before ${step} ${n} of ${act}`;

/** Occurrences of each step that are tried. */
const OCCURRENCES = 5;
const END_MS = 10_000;
/** A thread that could not be let go at once is let go when it stops. */
const RELEASE_MS = 2000;
const UNTRACED = /^TracerPid:\s+0$/m;
const FIXED = 'int f(int x) { return x + 10; } int g(int x) { return x + 20; }';
const SUCCESS = { apply: 'applied', revert: 'reverted' } as const;

/** One engine process and the program that it is tried on. */
export class Endings implements Disposable {
  readonly #shop = new Workshop();
  readonly #program: string;
  #engine: Engine | undefined;
  readonly #state: string;
  #descriptors: number | undefined;
  #started = 0;

  constructor() {
    const source = readFileSync(new URL('ending.c', import.meta.url), 'utf8');
    this.#program = this.#shop.compile('ending', source, ['-O0', '-pthread']);
    this.#state = join(this.#shop.directory, 'state');
    mkdirSync(this.#state, { mode: 0o700 });
  }

  /** Starts the engine and finds out which steps its commands take; `seed` chooses among them. */
  async cases(seed: number): Promise<EndingCase[]> {
    const object = this.#shop.compileObject('fix', FIXED);
    const patch = patchOf({ id: 'ending', base: this.#program, object, changed: ['f', 'g'] });
    const file = join(this.#shop.directory, 'ending.kpatch');
    writeFileSync(file, patch.bytes);
    const script = await bundled('engine-process.ts', this.#shop.directory);
    this.#engine = new Engine(script, [file], { SUTURE_STATE_DIR: this.#state });
    await this.#engine.ready();
    const chance = new Chance(seed);
    const cases: EndingCase[] = [];
    for (const threads of [1, 8]) {
      for (const [act, steps] of await this.#stepsOf(threads)) {
        for (const step of [...new Set(steps)].sort()) {
          for (const n of occurrences(steps.filter((one) => one === step).length, chance)) {
            for (const event of ['kill', 'exit', 'exec'] as const)
              cases.push({ act, threads, event, step, n });
          }
        }
      }
    }
    return cases;
  }

  /** Steps of a command when all code has run before. */
  async #stepsOf(threads: number): Promise<[EndingCase['act'], readonly string[]][]> {
    const { program } = await this.#start(threads);
    const steps: [EndingCase['act'], readonly string[]][] = [];
    for (let round = 0; round < 3; round++) {
      steps.length = 0;
      for (const act of ['apply', 'revert'] as const) {
        const answer = await this.#ask({ act, pid: program.pid });
        assert.equal(answer.outcome, SUCCESS[act], answer.reason);
        steps.push([act, answer.steps]);
      }
    }
    program.child.kill('SIGKILL');
    await program.ended;
    return steps;
  }

  async #start(threads: number): Promise<{ readonly program: Program; readonly control: string }> {
    const control = join(this.#shop.directory, `control-${this.#started++}`);
    writeFileSync(control, new Uint8Array(4096));
    const program = this.#shop.start(this.#program, [control, String(threads)]);
    assert.equal(await program.line(), 'ready');
    return { program, control };
  }

  /** False if the command was over before the step was reached. */
  async run(one: EndingCase): Promise<{ readonly reached: boolean; readonly outcome: string }> {
    const { act, threads, event, step, n } = one;
    const { program, control } = await this.#start(threads);
    const { pid } = program;
    if (act === 'revert') {
      const applied = await this.#ask({ act: 'apply', pid });
      assert.equal(applied.outcome, 'applied', applied.reason);
    }
    const answer = await this.#ask({ act, pid, when: { step, n, event, control } });
    const said = `${nameOf(one)}: ${answer.outcome} ${answer.reason}`;
    const reached = answer.happened >= 0;
    // The program that was begun before the command looked at the process has no patch.
    const isFirst = act === 'revert' && event === 'exec' && answer.reason.includes('has no patch');
    assert.ok(
      (reached && (isGone(answer) || isFirst)) ||
        (answer.outcome === SUCCESS[act] && (event !== 'kill' || isLate(answer))),
      said,
    );
    if (reached && event === 'exec') await this.#expectNewProgram(program, said);
    program.child.kill('SIGKILL');
    await within(program.ended, END_MS, `${said}: its end was not reported`);
    assert.deepEqual(readdirSync(this.#state), [], `${said}: left in the run directory`);
    this.#descriptors ??= answer.descriptors;
    assert.equal(answer.descriptors, this.#descriptors, `${said}: descriptors of the engine`);
    assert.ok(!existsSync(`/proc/${pid}`), `${said}: it is still there`);
    return { reached, outcome: answer.outcome };
  }

  /** The program that was begun runs untouched, and nobody traces it. */
  async #expectNewProgram(program: Program, said: string): Promise<void> {
    assert.equal(await program.line(), 'after', said);
    // Before the command looked at the process, it was the new program that was patched.
    assert.match(await program.ask('1'), /^after (2 3|11 21)$/, said);
    const statusNow = (): string => readFileSync(`/proc/${program.pid}/status`, 'utf8');
    for (const end = Date.now() + RELEASE_MS; Date.now() < end && !UNTRACED.test(statusNow()); )
      await pause(1);
    const status = statusNow();
    assert.match(status, UNTRACED, `${said}: still traced`);
    assert.match(status, /^State:\s+[SR]/m, said);
    assert.match(status, /^SigBlk:\s+0+$/m, `${said}: its signals are blocked`);
  }

  #ask(request: Parameters<Engine['ask']>[0]): Promise<Answer> {
    return within(this.#engine!.ask(request), END_MS, `no answer to ${JSON.stringify(request)}`);
  }

  [Symbol.dispose](): void {
    this.#engine?.[Symbol.dispose]();
    this.#shop[Symbol.dispose]();
  }
}

function isGone({ outcome, reason }: Answer): boolean {
  if (outcome === 'error PROCESS_UNFIT') return reason.includes('has ended');
  return outcome === 'gone' || outcome === 'error PROCESS_GONE' || outcome === 'error NO_PROCESS';
}

/** When the stacks had been looked at, the entries may have been changed before the end. */
const isLate = ({ steps, happened }: Answer): boolean =>
  happened < 0 || happened > steps.lastIndexOf('process_vm_readv');

/** The first, the last, and some in between. */
function occurrences(count: number, chance: Chance): number[] {
  const some = new Set([1, count]);
  while (some.size < Math.min(OCCURRENCES, count)) some.add(1 + chance.below(count));
  return [...some].sort((one, other) => one - other);
}

function within<T>(promise: Promise<T>, milliseconds: number, complaint: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${complaint} within ${milliseconds} ms`)), milliseconds);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
