/**
 * A server of several threads under load, patched and taken back on two emulated processors with pointer authentication:
 * what test/endurance does, with programs compiled here for AArch64. SUTURE_CYCLES: how many times.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ShopCompiler, Workshop } from '../apply/fixture.ts';
import type { CycleTotals, MadeServer } from '../endurance/cycles.ts';
import { bundled } from '../endurance/engine.ts';
import { assertExit, repository, Workspace } from '../programs/harness.ts';
import { aarch64 } from '../programs/toolchain.ts';
import type { EnduranceRequest } from './endurance-process.ts';
import { Guest } from './guest.ts';

const FLAGS = ['-mbranch-protection=standard'];
const COMPILER: ShopCompiler = { command: 'aarch64-linux-gnu-gcc', flags: FLAGS, plain: [] };
const CYCLES = Number(process.env.SUTURE_CYCLES ?? 4);
/** One emulated thread after the other is collected and judged; on a busy machine each waits for a real processor. */
const LIMITS = { maxStopMs: 3000, timeoutMs: 120_000 };
const SECONDS_EACH = 60;

describe('under load', { concurrency: 1 }, () => {
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
