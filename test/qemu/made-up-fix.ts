/** A fix of the test's own: a function of the tree with one more statement in it, as a diff. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type BuildReport, json, run, suture } from '../programs/harness.ts';

export interface Replacement {
  readonly id: string;
  /** Relative to the tree. */
  readonly file: string;
  readonly from: string;
  readonly to: string;
}

/** Builds the patch; the folder of its files. */
export async function madeUpFix(
  tree: string,
  folder: string,
  { id, file, from, to }: Replacement,
): Promise<string> {
  const text = readFileSync(join(tree, file), 'utf8');
  if (text.split(from).length !== 2) throw new Error(`${file}: not exactly one place reads\n${from}`);
  for (const [side, content] of [
    ['a', text],
    ['b', text.replace(from, () => to)],
  ] as const) {
    mkdirSync(dirname(join(folder, side, file)), { recursive: true });
    writeFileSync(join(folder, side, file), content);
  }
  const { stdout } = await run('diff', ['-u', join('a', file), join('b', file)], { cwd: folder });
  rmSync(join(folder, 'a'), { recursive: true });
  rmSync(join(folder, 'b'), { recursive: true });
  const diff = join(folder, `${id}.diff`);
  writeFileSync(diff, stdout);
  const out = join(folder, id);
  const built = await suture(['build', '-C', tree, '--id', id, '-o', out, '--json', diff], {
    seconds: 600,
  });
  if (built.code !== 0) throw new Error(`suture build ${id} ended with ${built.code}:\n${built.stderr}`);
  const names = json<BuildReport>(built).patches.flatMap(({ functions }) =>
    functions.map(({ name }) => name),
  );
  console.log(`  ${id.padEnd(22)}changes ${names.join(', ')}`);
  return out;
}
