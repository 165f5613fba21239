/**
 * A server of several threads under load, patched and taken back, and commands that are killed, on two emulated processors
 * with pointer authentication: what test/endurance does, with programs compiled here for AArch64.
 * SUTURE_KILLS and SUTURE_CYCLES: how many; SUTURE_SEED.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ShopCompiler, Workshop } from '../apply/fixture.ts';
import { seedOf } from '../endurance/chance.ts';
import type { CycleTotals, MadeServer } from '../endurance/cycles.ts';
import { bundled } from '../endurance/engine.ts';
import type { KillTotals } from '../endurance/kills.ts';
import { buildVictim, type Cast } from '../endurance/victim.ts';
import { assertExit, repository, Workspace } from '../programs/harness.ts';
import { aarch64 } from '../programs/toolchain.ts';
import type { EnduranceRequest } from './endurance-process.ts';
import type { FrameTotals } from './frames-process.ts';
import { Guest } from './guest.ts';

const FLAGS = ['-mbranch-protection=standard'];
const COMPILER: ShopCompiler = { command: 'aarch64-linux-gnu-gcc', flags: FLAGS, plain: [] };
const KILLS = Number(process.env.SUTURE_KILLS ?? 4);
const CYCLES = Number(process.env.SUTURE_CYCLES ?? KILLS);
const STOPS = Math.min(500, 10 * KILLS);
const seed = seedOf(process.env.SUTURE_SEED);
/** One emulated thread after the other is collected and judged; on a busy machine each waits for a real processor. */
const LIMITS = { maxStopMs: 3000, timeoutMs: 120_000 };
const SECONDS_EACH = 60;

/** Threads that are never blocked would take the tool's processors. */
const CASTS: readonly Cast[] = [
  {
    place: 'pages',
    storm: false,
    states: ['read', 'futex:small', 'nanosleep', 'epoll', 'poll:guard', 'queue'],
  },
  { place: 'objects', storm: false, states: ['spin', 'poll', 'handler'] },
];

describe('under load and under fire', { concurrency: 1 }, () => {
  let guest: Guest;
  let shop: Workshop;
  let script: string;

  before(async () => {
    shop = new Workshop(COMPILER);
    script = await bundled('../aarch64/endurance-process.ts', shop.directory);
    guest = await Guest.boot({ cpu: 'max,pauth-impdef=on', processors: 2 });
  });
  after(async () => {
    await guest?.close();
    shop[Symbol.dispose]();
  });

  async function runScript<T>(words: readonly string[], seconds: number): Promise<T> {
    const ended = await guest.run(['/bin/node', ...words], {
      environment: { SUTURE_LIMITS: JSON.stringify(LIMITS), SUTURE_SLOWNESS: '10' },
      seconds,
    });
    assertExit(ended, 0);
    return JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '') as T;
  }

  /** Under the name that it has here: programs find their libraries by it. */
  async function copyShop(): Promise<void> {
    cpSync(shop.directory, join(guest.exchange, 'shop'), { recursive: true });
    await guest.copy('/exchange/shop', shop.directory);
  }

  async function inGuest<T>(request: EnduranceRequest, seconds: number): Promise<T> {
    await copyShop();
    return runScript<T>([script, JSON.stringify(request)], seconds);
  }

  test(`a server of four threads, patched and taken back ${CYCLES} times while it answers`, async () => {
    const made = await makeServer(shop);
    const options = { cycles: CYCLES, warmUp: 2, made };
    const totals = await inGuest<CycleTotals>({ kind: 'cycles', options }, CYCLES * SECONDS_EACH);
    assert.equal(totals.cycles, CYCLES);
    assert.equal(totals.failed, 0, `${totals.failed} of ${totals.requests} requests failed`);
    assert.ok(totals.certain > 0, 'no answer was certain');
    const { mappings, mappedBytes } = totals.server.before;
    assert.deepEqual({ ...totals.server.after, mappings, mappedBytes }, totals.server.after, 'mapped');
    console.log(JSON.stringify(totals));
  });

  test(`${KILLS} commands killed at random moments (seed ${seed})`, async () => {
    const engine = await bundled('engine-process.ts', shop.directory);
    const places = [...new Set(CASTS.map(({ place }) => place))];
    const victims = Object.fromEntries(places.map((place) => [place, buildVictim(shop, place)]));
    const options = { kills: KILLS, seed, casts: CASTS, made: { script: engine, victims } };
    const totals = await inGuest<KillTotals>({ kind: 'kills', options }, 300 + KILLS * SECONDS_EACH);
    assert.equal(totals.kills, KILLS);
    console.log(JSON.stringify(totals));
  });

  test(`stacks as call frame information and as frame records have them, at ${STOPS} stops`, async () => {
    const walker = await bundled('../aarch64/frames-process.ts', shop.directory);
    const source = readFileSync(join(repository, 'test/aarch64/deep.c'), 'utf8');
    const path = shop.compile('deep', source, ['-O2', '-fno-omit-frame-pointer', '-pthread']);
    await copyShop();
    const deep = await guest.start(path);
    try {
      const totals = await runScript<FrameTotals>(
        [walker, String(deep.pid), String(STOPS)],
        STOPS * SECONDS_EACH,
      );
      assert.equal(totals.stops, STOPS);
      assert.ok(totals.agreed > 5 * totals.threads && totals.deepest > 20, JSON.stringify(totals));
      console.log(JSON.stringify(totals));
    } finally {
      await deep.stop();
    }
  });
});

/** The server of test/endurance, recorded, and its patch made from a diff; what runs is put into the shop's folder. */
async function makeServer(shop: Workshop): Promise<MadeServer> {
  const folder = join(repository, 'test/endurance');
  const source = readFileSync(join(folder, 'server.c'), 'utf8');
  const fixed = source.replace('return x + 1;', 'return x + 10;').replace('return x + 2;', 'return x + 20;');
  const workspace = new Workspace('aarch64-server');
  try {
    workspace.writeTree(
      new Map([['server.c', source]]),
      ['-O2', '-Wno-unused-result', '-pthread'],
      [],
      aarch64(FLAGS),
    );
    const versions = [source, fixed].map((text) => new Map([['server.c', text]])) as [
      Map<string, string>,
      Map<string, string>,
    ];
    const diff = await workspace.writeDiff(...versions);
    await workspace.record();
    assertExit(await workspace.build('cycle', diff), 0);
    const program = join(shop.directory, 'server');
    cpSync(join(workspace.tree, 'prog'), program);
    const patch = join(shop.directory, 'server-patches');
    cpSync(workspace.patches, patch, { recursive: true });
    const client = join(shop.directory, 'client');
    execFileSync(COMPILER.command, ['-O2', '-o', client, join(folder, 'client.c')]);
    return { program, client, patch, script: await bundled('cycle-process.ts', shop.directory) };
  } finally {
    await workspace.close();
  }
}
