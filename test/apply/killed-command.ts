/** Applies and reverts patches again and again until it is killed. Arguments: pid, patch files. */
import { applyPatches, revertPatches } from '../../src/apply/engine.ts';
import { Target } from '../../src/process/target.ts';
import { loadPatches } from '../../src/store/catalogue.ts';

const [pid, ...files] = process.argv.slice(2);
const patches = loadPatches(files).map(({ patch }) => patch);
const ids = patches.map(({ manifest }) => manifest.id);
const target = Target.open(Number(pid));
for (let round = 0; ; round++) {
  applyPatches([target], patches);
  // The first round is slow and much the same every time.
  if (round === 0) process.stdout.write('ready\n');
  revertPatches([target], ids);
}
