/**
 * npm run fuzz: mutated files, memory and texts, as many as asked for.
 *
 *   --inputs N (20000)   --seed N   --save FOLDER (fuzz-failures)   --kind NAME (only this one)
 *
 * Each input comes from one number; a failing one is saved, and `--seed ITS-NUMBER --inputs 1` makes it again.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { applyPatches, revertPatches } from '../../src/apply/engine.ts';
import { Workshop } from '../apply/fixture.ts';
import { fuzz } from './campaign.ts';
import { fuzzKinds } from './kinds.ts';
import { type LiveTarget, liveTarget } from './live-target.ts';

/** How often it is looked whether the target is as it was. */
const LOOK_EVERY = 20_000;

export async function runFuzz(options: {
  readonly inputs: number;
  readonly seed: number;
  readonly folder: string;
  readonly kind?: string | undefined;
}): Promise<ReturnType<typeof fuzz> & { readonly isUnchanged: boolean }> {
  using shop = new Workshop();
  using live = await liveTarget(shop);
  const region = regionBytes(live);
  const kinds = fuzzKinds(shop, live.patch.bytes, region, (patch) => live.tryOn(patch)).filter(
    ({ name }) => options.kind === undefined || name === options.kind,
  );
  const before = live.fingerprint();
  let isUnchanged = true;
  const each = (done: number): void => {
    if (done % LOOK_EVERY === 0 && live.fingerprint() !== before) isUnchanged = false;
  };
  const result = fuzz(kinds, { ...options, each });
  return { ...result, isUnchanged: isUnchanged && live.fingerprint() === before };
}

/** The sound patch as it lies in the process. */
function regionBytes({ target, patch }: LiveTarget): { at: bigint; bytes: Uint8Array } {
  const before = new Set(target.maps().map(({ start }) => start));
  const [applied] = applyPatches([target], [patch]);
  if (applied?.outcome !== 'applied')
    throw new Error(`the sound patch cannot be applied: ${JSON.stringify(applied)}`);
  const mapping = target.maps().find(({ start, execute }) => execute && !before.has(start))!;
  const bytes = target.memory.read(mapping.start, Number(mapping.end - mapping.start));
  const [reverted] = revertPatches([target], ['tried']);
  if (reverted?.outcome !== 'reverted') throw new Error(JSON.stringify(reverted));
  return { at: mapping.start, bytes };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({
    options: {
      inputs: { type: 'string', default: '20000' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
      save: { type: 'string', default: 'fuzz-failures' },
      kind: { type: 'string' },
    },
  });
  const inputs = Number(values.inputs);
  const seed = Number(values.seed);
  console.log(`seed ${seed}, ${inputs} inputs`);
  const { tallies, failures, isUnchanged } = await runFuzz({
    inputs,
    seed,
    folder: values.save,
    kind: values.kind,
  });
  for (const { name, inputs: count, taken, slowest } of tallies) {
    const slow = `slowest ${slowest.milliseconds.toFixed(1)} ms (seed ${slowest.seed})`;
    console.log(
      `${name.padEnd(24)}${String(count).padStart(9)} inputs${String(taken).padStart(9)} taken   ${slow}`,
    );
  }
  for (const { kind, seed: failing, file, reason } of failures)
    console.log(`FAILED ${kind}, seed ${failing}, ${file}\n${reason}`);
  if (!isUnchanged) console.log('FAILED: the process that patches were only tried on has changed');
  if (failures.length > 0 || !isUnchanged) process.exitCode = 1;
}
