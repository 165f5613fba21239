/**
 * A server under load whose functions are changed and changed back, cycle after cycle: no request fails, each answer is
 * one that may be at its time, and neither the server nor the tool comes to hold more.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { patchOf, Workshop } from '../apply/fixture.ts';
import type { CycleAnswer } from './cycle-process.ts';
import { bundled } from './engine.ts';

export interface Held {
  readonly mappings: number;
  readonly mappedBytes: number;
  readonly descriptors: number;
  /** Proportional set size, in bytes. */
  readonly resident: number;
}

export interface CycleTotals {
  readonly cycles: number;
  readonly millisecondsEach: number;
  readonly longestStopMicroseconds: number;
  readonly requests: number;
  readonly failed: number;
  /** Requests during which nothing was being changed: only one answer was right. */
  readonly certain: number;
  readonly server: { readonly before: Held; readonly after: Held };
  readonly tool: { readonly before: CycleAnswer; readonly after: CycleAnswer };
}

export interface CycleOptions {
  readonly cycles: number;
  /** Before anything is measured. */
  readonly warmUp: number;
  readonly limitMs?: number;
  /** What was compiled and bundled elsewhere, for a machine without a compiler. */
  readonly made?: MadeServer;
}

/** Paths of the programs, of the patch and of the bundled cycle-process.ts. */
export interface MadeServer {
  readonly program: string;
  readonly client: string;
  readonly patch: string;
  readonly script: string;
}

/** Cycles between two looks at the clock. */
const PORTION = 100;
const FIXED = 'int f(int x) { return x + 10; } int g(int x) { return x + 20; }';

export async function runCycles({
  cycles,
  warmUp,
  limitMs = Number.POSITIVE_INFINITY,
  made,
}: CycleOptions): Promise<CycleTotals> {
  using shop = new Workshop();
  const { program, client, patch, script } = made ?? (await makeServer(shop));
  const phase = join(shop.directory, 'phase');
  writeFileSync(phase, new Uint8Array(4096));

  const server = shop.start(program);
  const port = await server.line();
  const load = shop.start(client, [port, phase]);
  const tool = spawn(process.execPath, ['--expose-gc', script, String(server.pid), phase, patch], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, SUTURE_STATE_DIR: join(shop.directory, 'state') },
  });
  try {
    const lines = createInterface({ input: tool.stdout! })[Symbol.asyncIterator]();
    const go = async (count: number): Promise<CycleAnswer> => {
      tool.stdin!.write(`${count}\n`);
      const { value, done } = await lines.next();
      assert.ok(done !== true, 'the engine ended before its time');
      return JSON.parse(String(value)) as CycleAnswer;
    };
    const toolBefore = await go(warmUp);
    const before = heldBy(server.pid);
    const end = Date.now() + limitMs;
    let milliseconds = 0;
    let longest = 0;
    let done = 0;
    let toolAfter = toolBefore;
    while (done < cycles && Date.now() < end) {
      const portion = Math.min(PORTION, cycles - done);
      toolAfter = await go(portion);
      milliseconds += toolAfter.milliseconds;
      longest = Math.max(longest, toolAfter.longestStopMicroseconds);
      done += portion;
    }
    const after = heldBy(server.pid);
    load.child.stdin!.end();
    const [requests = 0, failed = 0, certain = 0] = (await load.line()).split(' ').map(Number);
    return {
      cycles: done,
      millisecondsEach: milliseconds / done,
      longestStopMicroseconds: longest,
      requests,
      failed,
      certain,
      server: { before, after },
      tool: { before: toolBefore, after: toolAfter },
    };
  } finally {
    tool.kill('SIGKILL');
  }
}

async function makeServer(shop: Workshop): Promise<MadeServer> {
  const source = (name: string) => readFileSync(new URL(name, import.meta.url), 'utf8');
  const program = shop.compile('server', source('server.c'), ['-pthread']);
  const client = shop.compile('client', source('client.c'));
  const { bytes } = patchOf({
    id: 'cycle',
    base: program,
    object: shop.compileObject('fix', FIXED),
    changed: ['f', 'g'],
  });
  const patch = join(shop.directory, 'cycle.kpatch');
  writeFileSync(patch, bytes);
  return { program, client, patch, script: await bundled('cycle-process.ts', shop.directory) };
}

function heldBy(pid: number): Held {
  const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').trim().split('\n');
  const mappedBytes = maps
    .map((line) => line.split(' ')[0]!.split('-'))
    .reduce((sum, [from, to]) => sum + Number(BigInt(`0x${to}`) - BigInt(`0x${from}`)), 0);
  const pss = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  return {
    mappings: maps.length,
    mappedBytes,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    resident: Number(pss) * 1024,
  };
}

/** What the server may come to hold more: pages of a cache, not of each cycle. */
const SERVER_SLACK = 256 << 10;
const HEAP_SLACK = 4 << 20;
const TOOL_SLACK = 48 << 20;
/** A new connection of the client may be open at the one look and not at the other. */
const CONNECTIONS = 2;

/** Throws if a request failed, or somebody came to hold more. */
export function expectSteady({ requests, failed, certain, server, tool }: CycleTotals): void {
  assert.equal(failed, 0, `${failed} of ${requests} requests failed`);
  assert.ok(certain > 0, 'no answer was certain');
  const { before, after } = server;
  assert.equal(after.mappings, before.mappings, 'mappings of the server');
  assert.equal(after.mappedBytes, before.mappedBytes, 'bytes mapped in the server');
  assert.ok(Math.abs(after.descriptors - before.descriptors) <= CONNECTIONS, 'descriptors of the server');
  assert.ok(
    after.resident <= before.resident + SERVER_SLACK,
    `memory of the server: ${before.resident}, then ${after.resident}`,
  );
  assert.equal(tool.after.descriptors, tool.before.descriptors, 'descriptors of the tool');
  assert.ok(
    tool.after.heap <= tool.before.heap + HEAP_SLACK,
    `heap of the tool: ${tool.before.heap}, then ${tool.after.heap}`,
  );
  assert.ok(
    tool.after.resident <= tool.before.resident + TOOL_SLACK,
    `memory of the tool: ${tool.before.resident}, then ${tool.after.resident}`,
  );
}
