/** Gathers what a reviewer wants to see of a patch set: both versions' code of every function, and the diffs. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import { HEADER_SIZE, SECTION } from '../patch/layout.ts';
import type { ManifestFunction } from '../patch/manifest.ts';
import type { Patch } from '../patch/patch.ts';
import { readPatch } from '../patch/reader.ts';
import { type Instruction, readDisassembly } from './disassembly.ts';
import type { BuildOptions, BuildResult, BuiltPatch, Refused } from './result.ts';

/** A piece of code that belongs together: the body itself, or a part that the compiler put elsewhere. */
export interface ReviewedPart {
  readonly before: readonly Instruction[];
  readonly after: readonly Instruction[];
}

export interface ReviewedFunction {
  readonly listed: ManifestFunction;
  /** The first is the entry's. */
  readonly parts: readonly ReviewedPart[];
}

export interface ReviewedPatch {
  readonly built: BuiltPatch;
  readonly patch: Patch;
  readonly functions: readonly ReviewedFunction[];
}

export interface Review {
  readonly id: string;
  readonly description: string;
  readonly diffs: readonly { readonly name: string; readonly text: string }[];
  readonly patches: readonly ReviewedPatch[];
  readonly refused: readonly Refused[];
}

/** @throws SutureError TOOLCHAIN if objdump cannot be run, IO if a file cannot be read */
export async function reviewOf(
  options: Pick<BuildOptions, 'id' | 'description' | 'diffs'>,
  result: BuildResult,
): Promise<Review> {
  const patches: ReviewedPatch[] = [];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'suture-review-'));
  try {
    for (const built of result.patches) {
      const bytes = fs.readFileSync(built.file);
      const patch = readPatch(bytes, (data) => createHash('sha256').update(data).digest(), built.file);
      const object = path.join(folder, 'patch.o');
      fs.writeFileSync(object, bytes.subarray(HEADER_SIZE));
      const functions: ReviewedFunction[] = [];
      for (const listed of patch.manifest.functions)
        functions.push({ listed, parts: await partsOf(listed, built.object, object) });
      patches.push({ built, patch, functions });
    }
    return {
      id: options.id,
      description: options.description ?? '',
      diffs: options.diffs.map((name) => ({
        name: path.basename(name),
        text: fs.readFileSync(name, 'utf8'),
      })),
      patches,
      refused: result.refused,
    };
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

interface Range {
  readonly start: number;
  readonly size: number;
}

async function partsOf(listed: ManifestFunction, base: string, object: string): Promise<ReviewedPart[]> {
  const { original, replacement, replacementParts } = listed;
  const before: Range[] =
    original === undefined
      ? []
      : [original, ...original.parts].map(({ address, size }) => ({ start: Number(BigInt(address)), size }));
  const after = [replacement, ...replacementParts].map(({ offset, size }) => ({ start: offset, size }));
  const parts: ReviewedPart[] = [];
  for (let i = 0; i < Math.max(before.length, after.length); i++) {
    parts.push({
      before: await disassemble(base, before[i], []),
      after: await disassemble(object, after[i], ['-r', '-j', SECTION.text]),
    });
  }
  return parts;
}

async function disassemble(
  file: string,
  range: Range | undefined,
  options: readonly string[],
): Promise<Instruction[]> {
  if (range === undefined || range.size === 0) return [];
  const { start, size } = range;
  const text = await objdump([
    ...['-d', '--no-show-raw-insn', '-C', ...options],
    ...[`--start-address=${start}`, `--stop-address=${start + size}`, file],
  ]);
  return readDisassembly(text, start, size);
}

function objdump(args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (what: string): void =>
      reject(
        new SutureError('TOOLCHAIN', `objdump, which the report needs, ${what}`, {
          remedy: 'install binutils, or build without --report',
        }),
      );
    const child = spawn('objdump', args, {
      env: { ...process.env, LC_ALL: 'C' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let complaint = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    child.on('error', (error) => fail(`cannot be run: ${error.message}`));
    child.on('close', (status) => (status === 0 ? resolve(output) : fail(`failed: ${complaint.trim()}`)));
  });
}
