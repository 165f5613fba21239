/**
 * Commands that are killed: apply or revert, by SIGKILL at a random moment of the time that the command takes, or before
 * a random one of its steps, those of the stop more often. Afterwards the program is right, has all of the old functions
 * or all of the new, and the next command succeeds and leaves nothing of the killed one.
 */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Workshop } from '../apply/fixture.ts';
import { Chance } from './chance.ts';
import { bundled, Engine } from './engine.ts';
import type { Act, Answer, Request } from './engine-process.ts';
import { isAct } from './steps.ts';
import { type Cast, type Holding, type MadeVictim, type Place, type Version, Victim } from './victim.ts';

const EVERY = ['read', 'futex', 'nanosleep', 'epoll', 'poll', 'spin', 'handler'];
const BLOCKED = EVERY.slice(0, 5);

/** 1, 8 and 100 threads in every state, the functions in one page, several, and two objects. */
export const CASTS: readonly Cast[] = [
  {
    place: 'pages',
    storm: true,
    states: ['read', 'futex:small', 'nanosleep', 'epoll', 'poll:guard', 'spin', 'handler', 'queue'],
  },
  {
    place: 'pages',
    storm: false,
    states: [
      'read',
      'spin',
      'spin:guard',
      'handler',
      'handler:small',
      'queue',
      'queue',
      ...Array.from({ length: 93 }, (_, i) => `${BLOCKED[i % 5]}${['', ':small', ':guard'][i % 3]}`),
    ],
  },
  { place: 'page', storm: false, states: ['spin'] },
  {
    place: 'objects',
    storm: false,
    states: ['poll', 'futex', 'nanosleep:guard', 'epoll', 'read:small', 'spin', 'handler', 'queue:guard'],
  },
  ...EVERY.filter((state) => state !== 'spin').map((state, i): Cast => {
    return { place: i % 2 === 0 ? 'pages' : 'page', storm: false, states: [state] };
  }),
  {
    place: 'page',
    storm: true,
    states: ['handler', 'futex', 'nanosleep', 'epoll', 'poll', 'spin', 'read', 'queue'],
  },
  {
    place: 'objects',
    storm: false,
    states: Array.from({ length: 100 }, (_, i) => (i < 98 ? BLOCKED[i % 5]! : EVERY[i - 93]!)),
  },
];

/** Runs on one victim before the next one's turn. */
const TURN = 10;
/** Steps around the look at the stacks that count as the stop. */
const STOP_BEFORE = 16;
const STOP_AFTER = 44;
const ANSWER_MS = 60_000 * Number(process.env.SUTURE_SLOWNESS ?? 1);

/** What a command that is not killed does when no code has run before. */
interface Usual {
  readonly milliseconds: number;
  /** Steps that change something. */
  readonly acts: number;
  /** Which of them look at the stacks, counted from the first. */
  readonly stop: number;
}

interface Subject {
  readonly victim: Victim;
  readonly usual: Readonly<Record<'apply' | 'revert', Usual>>;
  readonly holding: Readonly<Record<Version, Holding>>;
  readonly next: Engine;
}

export interface KillTotals {
  kills: number;
  /** Commands that were done before their moment came; not counted as kills. */
  completed: number;
  readonly byManner: Record<string, number>;
  readonly byThreads: Record<string, number>;
  readonly foundAfter: Record<string, number>;
  mixturesInPassing: number;
}

export interface KillOptions {
  readonly kills: number;
  readonly seed: number;
  /** The run to begin with, to see one again. */
  readonly first?: number;
  /** Those that take part; all if left out. */
  readonly casts?: readonly Cast[];
  /** What was compiled and bundled elsewhere, for a machine without a compiler. */
  readonly made?: { readonly script: string; readonly victims: Readonly<Partial<Record<Place, MadeVictim>>> };
  /** Milliseconds after which no further run is begun. */
  readonly limitMs?: number;
  readonly report?: (totals: KillTotals, run: number) => void;
}

/** Runs until `kills` commands were killed. Throws with run and moment at the first thing that is wrong. */
export async function runKills(options: KillOptions): Promise<KillTotals> {
  using campaign = new Campaign(options);
  return await campaign.run();
}

class Campaign implements Disposable {
  readonly #options: KillOptions;
  readonly #shop = new Workshop();
  readonly #state = join(this.#shop.directory, 'state');
  readonly #engines: Engine[] = [];
  readonly #victims: Victim[] = [];
  readonly #subjects = new Map<number, Subject>();
  readonly totals: KillTotals = {
    kills: 0,
    completed: 0,
    byManner: {},
    byThreads: {},
    foundAfter: {},
    mixturesInPassing: 0,
  };
  #script = '';
  #spare: { readonly files: readonly string[]; readonly engine: Engine } | undefined;

  constructor(options: KillOptions) {
    this.#options = options;
    mkdirSync(this.#state, { mode: 0o700 });
  }

  async run(): Promise<KillTotals> {
    const { kills, seed, first = 0, limitMs = Number.POSITIVE_INFINITY, made, report } = this.#options;
    this.#script = made?.script ?? (await bundled('engine-process.ts', this.#shop.directory));
    const chance = new Chance(seed);
    const { casts = CASTS } = this.#options;
    const end = Date.now() + limitMs;
    for (let run = first; this.totals.kills < kills && Date.now() < end; run++) {
      const index = Math.floor(run / TURN) % casts.length;
      const subject = this.#subjects.get(index) ?? (await this.#prepare(index, casts[index]!));
      this.#subjects.set(index, subject);
      for (const { victim } of this.#subjects.values()) if (victim !== subject.victim) victim.rest(true);
      subject.victim.rest(false);
      await this.#runOne(run, chance.of(run), subject);
      report?.(this.totals, run);
    }
    for (const { victim } of this.#subjects.values())
      this.totals.mixturesInPassing += victim.mixturesInPassing();
    return this.totals;
  }

  /** Starts a victim, and sees what commands take that are not killed. */
  async #prepare(index: number, cast: Cast): Promise<Subject> {
    const victim = new Victim(this.#shop, cast, index, this.#options.made?.victims[cast.place]);
    this.#victims.push(victim);
    victim.rest(false);
    assert.equal(await victim.version(), 'old');
    const next = await this.#start(victim.patchFiles);
    const { pid } = victim;
    const usual: Partial<Record<'apply' | 'revert', Usual>> = {};
    const holding: Partial<Record<Version, Holding>> = {};
    for (const [act, version] of [
      ['apply', 'new'],
      ['revert', 'old'],
    ] as const) {
      const engine = await this.#start(victim.patchFiles);
      usual[act] = usualOf(await succeed(engine, act, pid));
      engine.kill();
      assert.equal(await victim.version(), version);
      holding[version] = victim.holding();
    }
    for (const act of ['apply', 'revert'] as const) await succeed(next, act, pid);
    return { victim, next, usual: usual as Subject['usual'], holding: holding as Subject['holding'] };
  }

  async #start(files: readonly string[]): Promise<Engine> {
    const engine = new Engine(this.#script, files, { SUTURE_STATE_DIR: this.#state });
    this.#engines.push(engine);
    await engine.ready();
    return engine;
  }

  /** An engine in which no code has run, and which is loaded already: another one loads while it works. */
  async #fresh(files: readonly string[]): Promise<Engine> {
    const spare = this.#spare?.files === files ? this.#spare.engine : undefined;
    const engine = spare ?? (await this.#start(files));
    this.#spare = { files, engine: await this.#start(files) };
    return engine;
  }

  async #runOne(run: number, chance: Chance, subject: Subject): Promise<void> {
    const { victim } = subject;
    const before = await victim.version();
    const act = before === 'old' ? 'apply' : 'revert';
    const moment = momentOf(chance, subject.usual[act]);
    const following = chance.pick(['apply', 'revert', 'repair'] as const);
    const said = `run ${run} (seed ${this.#options.seed}; ${victim.name}): ${act} killed ${moment.words}, then ${following}`;
    try {
      victim.beginEpoch();
      const engine = await this.#fresh(victim.patchFiles);
      const wasKilled = await killed(engine, { act, pid: victim.pid }, moment);
      this.#engines.splice(this.#engines.indexOf(engine), 1);
      victim.expectFree();
      const after = await victim.version();
      this.#count(wasKilled, moment, victim, `${act}: ${after}`);
      await this.#next(subject, following, after);
    } catch (error) {
      if (error instanceof Error) error.message = `${said}: ${error.message}`;
      throw error;
    }
  }

  /** The command after the killed one. */
  async #next({ victim, next, holding }: Subject, act: Act, version: Version): Promise<void> {
    await succeed(next, act, victim.pid);
    const expected = act === 'apply' ? 'new' : act === 'revert' ? 'old' : version;
    assert.equal(await victim.version(), expected, `after ${act}`);
    const verified = await next.ask({ act: 'verify', pid: victim.pid });
    assert.equal(verified.outcome, 'sound', verified.reason);
    assert.deepEqual(victim.holding(), holding[expected], `memory and descriptors after ${act}`);
    assert.deepEqual(readdirSync(this.#state), [], 'journals');
    victim.expectFree();
  }

  #count(wasKilled: boolean, moment: Moment, victim: Victim, found: string): void {
    if (!wasKilled) {
      this.totals.completed++;
      return;
    }
    const { byManner, byThreads, foundAfter } = this.totals;
    const threads = `${victim.cast.states.length} threads`;
    this.totals.kills++;
    byManner[moment.manner] = (byManner[moment.manner] ?? 0) + 1;
    byThreads[threads] = (byThreads[threads] ?? 0) + 1;
    foundAfter[found] = (foundAfter[found] ?? 0) + 1;
  }

  [Symbol.dispose](): void {
    for (const engine of this.#engines) engine.kill();
    for (const victim of this.#victims) victim.close();
    this.#shop[Symbol.dispose]();
  }
}

type Moment =
  | { readonly manner: 'any time'; readonly words: string; readonly afterMs: number }
  | { readonly manner: 'any step' | 'the stop'; readonly words: string; readonly n: number };

function momentOf(chance: Chance, usual: Usual): Moment {
  const manner = chance.next();
  if (manner < 0.4) {
    const afterMs = chance.next() * usual.milliseconds;
    return { manner: 'any time', words: `after ${afterMs.toFixed(1)} ms`, afterMs };
  }
  const from = manner < 0.65 ? 1 : Math.max(1, usual.stop - STOP_BEFORE);
  const to = manner < 0.65 ? usual.acts : Math.min(usual.acts, usual.stop + STOP_AFTER);
  const n = from + chance.below(to - from + 1);
  return { manner: manner < 0.65 ? 'any step' : 'the stop', words: `before step ${n} of ${usual.acts}`, n };
}

/** False if the command was done before. The engine process is gone afterwards. */
async function killed(engine: Engine, request: Request, moment: Moment): Promise<boolean> {
  if (moment.manner === 'any time') {
    await engine.begin(request);
    await pause(moment.afterMs);
    engine.kill();
    await engine.ended;
    return (await engine.answer()) === undefined;
  }
  await engine.begin({ ...request, when: { step: 'act', n: moment.n, event: 'die' } });
  const answer = await engine.answer();
  engine.kill();
  await engine.ended;
  return answer === undefined;
}

const GOOD: Readonly<Record<Act, readonly string[]>> = {
  apply: ['applied', 'already'],
  revert: ['reverted', 'not-applicable'],
  repair: ['applied', 'already'],
  verify: ['sound'],
};

async function succeed(engine: Engine, act: Act, pid: number): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${act} did not end in ${ANSWER_MS} ms`)), ANSWER_MS);
  });
  const answer = await Promise.race([engine.ask({ act, pid }), late]).finally(() => clearTimeout(timer));
  assert.ok(GOOD[act].includes(answer.outcome), `${act}: ${answer.outcome} ${answer.reason}`);
  return answer;
}

function usualOf({ steps, milliseconds }: Answer): Usual {
  const look = steps.lastIndexOf('process_vm_readv');
  return {
    milliseconds,
    acts: steps.filter(isAct).length,
    stop: steps.slice(0, look < 0 ? steps.length : look).filter(isAct).length,
  };
}
