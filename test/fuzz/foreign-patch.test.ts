/** Mutated patch files of LibcarePlus, which have no digest: a patch or BAD_PATCH, never a crash, never long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { arches } from '../../src/arch/index.ts';
import { SutureError } from '../../src/base/errors.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { sha256 } from '../../src/store/catalogue.ts';
import { handmade } from '../compat/handmade.ts';
import { mutated, mutations, RUNS, timed } from './elf-samples.ts';

const samples = arches.map(({ elfMachine }) => handmade(elfMachine));

function read(bytes: Uint8Array): void {
  try {
    const { sections, manifest } = readPatch(bytes, sha256, 'mutated');
    const text = sections.find(({ name }) => name === '.kpatch.text')!;
    for (const { replacement } of manifest.functions)
      assert.ok(replacement.offset + replacement.size <= text.size);
  } catch (error) {
    if (!(error instanceof SutureError) || error.code !== 'BAD_PATCH') throw error;
  }
}

test('mutated patches of LibcarePlus', () => {
  fc.assert(
    fc.property(fc.constantFrom(...samples), mutations, (bytes, changes) =>
      timed(() => read(mutated(bytes, changes))),
    ),
    { numRuns: RUNS },
  );
});

test('patches of LibcarePlus cut at any length', () => {
  for (const bytes of samples) {
    for (let size = 0; size < bytes.length; size += 3) read(bytes.subarray(0, size));
  }
});
