import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { SutureError } from '../../src/base/errors.ts';

const SOURCE = `
#include <stdio.h>
#include <stdlib.h>
__thread int tls = 3;
static int counter;
int table[300] = { 1, 2 };
int *pointers[20] = { table, table + 1, [9] = table };
static int chosen(void) { return 7; }
static void *resolve(void) { return chosen; }
int indirect(void) __attribute__((ifunc("resolve")));
int f(int n, char **v) { char room[n + 1]; room[n] = 0; return snprintf(room, n, "%s", v[0]) + ++counter + tls; }
int main(int n, char **v) { return pointers[n] ? f(n, v) + indirect() : abs(n); }`;

/** Small real ELF files of different kinds, to be mutated. */
export function elfSamples(): Uint8Array[] {
  const folder = mkdtempSync(join(tmpdir(), 'suture-fuzz-'));
  try {
    writeFileSync(join(folder, 'x.c'), SOURCE);
    return [
      ['-O2', '-c', '-g'],
      ['-O2', '-shared', '-fPIC', '-Wl,--build-id,-soname,libx.so', '-s'],
      ['-O1', '-pie', '-fPIE', '-Wl,--build-id,-z,pack-relative-relocs', '-Wl,--hash-style=gnu'],
      ['-O0', '-no-pie', '-Wl,--hash-style=sysv'],
    ].map((flags) => {
      const ended = spawnSync('gcc', [...flags, 'x.c', '-o', 'x'], { encoding: 'utf8', cwd: folder });
      if (ended.status !== 0) throw new Error(`gcc ${flags.join(' ')}: ${ended.stderr}`);
      return new Uint8Array(readFileSync(join(folder, 'x')));
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Values that parsers stumble over. */
const nasty = fc.constantFrom(
  0n,
  1n,
  2n,
  7n,
  0x7fn,
  0x80n,
  0xffn,
  0x7fffn,
  0xffffn,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff0n,
  0xffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0xffff_ffff_ffff_fff8n,
  0xffff_ffff_ffff_ffffn,
);

interface Mutation {
  readonly kind: 'word' | 'byte' | 'copy' | 'truncate';
  /** Place as a part of the whole. */
  readonly at: number;
  readonly from: number;
  readonly size: number;
  readonly value: bigint;
}

const place = fc.oneof(
  // Headers and tables, where a byte weighs most, as often as all the rest.
  fc.double({ min: 0, max: 0.05, noNaN: true }),
  fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  fc.double({ min: 0.8, max: 1, noNaN: true, maxExcluded: true }),
);

export const mutations: fc.Arbitrary<readonly Mutation[]> = fc.array(
  fc.record({
    kind: fc.constantFrom('word', 'word', 'word', 'byte', 'byte', 'copy', 'truncate'),
    at: place,
    from: place,
    size: fc.constantFrom(1, 2, 4, 8, 16, 64),
    value: fc.oneof(nasty, fc.bigInt({ min: 0n, max: 0xffff_ffffn })),
  }),
  { minLength: 1, maxLength: 6 },
);

/** A changed copy of `bytes`. */
export function mutated(bytes: Uint8Array, changes: readonly Mutation[]): Uint8Array {
  let out = bytes.slice();
  for (const { kind, at, from, size, value } of changes) {
    if (out.length < 80) break;
    const here = Math.floor(at * (out.length - 64));
    if (kind === 'truncate') {
      if (size === 1) out = out.subarray(0, here + 64);
    } else if (kind === 'copy') {
      const there = Math.floor(from * (out.length - 64));
      out.copyWithin(here, there, there + size);
    } else if (kind === 'byte') {
      out[here] = Number(value & 0xffn);
    } else {
      const view = new DataView(out.buffer, out.byteOffset, out.length);
      const aligned = here & ~7;
      if (size === 2) view.setUint16(aligned, Number(value & 0xffffn), true);
      else if (size === 4) view.setUint32(here & ~3, Number(value & 0xffff_ffffn), true);
      else view.setBigUint64(aligned, value, true);
    }
  }
  return out;
}

/** Runs one question to a parser: an answer or a SutureError that is no defect; anything else fails the test. */
export function ask(question: () => unknown): void {
  try {
    question();
  } catch (error) {
    if (!(error instanceof SutureError) || error.code === 'INTERNAL') throw error;
  }
}

/** Number of inputs: SUTURE_FUZZ_RUNS, or a short run. */
export const RUNS = Number(process.env.SUTURE_FUZZ_RUNS ?? 1500);

/** No input may take longer, in milliseconds of CPU time: a busy machine is no fault of the parser. */
const LONGEST = 1000;

/** Runs `check` and fails when it takes too long. */
export function timed(check: () => void): void {
  const before = process.cpuUsage();
  check();
  const { user, system } = process.cpuUsage(before);
  const milliseconds = (user + system) / 1000;
  if (milliseconds > LONGEST) throw new Error(`one input took ${milliseconds} ms`);
}
