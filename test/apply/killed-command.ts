/** Applies and reverts a patch again and again until it is killed. Arguments: pid, patch file. */
import { applyPatches, revertPatches } from '../../src/apply/engine.ts';
import { Target } from '../../src/process/target.ts';
import { loadPatches } from '../../src/store/catalogue.ts';

const [pid, file] = process.argv.slice(2);
const [stored] = loadPatches([file ?? '']);
const target = Target.open(Number(pid));
if (stored === undefined) throw new Error('no patch');
const { patch } = stored;
for (let round = 0; ; round++) {
  applyPatches([target], [patch]);
  // The first round is slow and much the same every time.
  if (round === 0) process.stdout.write('ready\n');
  revertPatches([target], [patch.manifest.id]);
}
