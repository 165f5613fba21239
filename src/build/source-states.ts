/** The source of the base, and with each of the earlier fixes, whichever of them the tree holds. */
import { SutureError } from '../base/errors.ts';
import { applyDiffs, type ChangedFile, type DiffInput, type ReadFile } from './diff.ts';
import type { EarlierFix } from './earlier.ts';

export interface SourceStates {
  /** The base's source first, then with one more fix each; the last one has all of them. */
  readonly states: readonly ReadFile[];
  /** Paths of the files that the fixes change. */
  readonly paths: readonly string[];
}

/**
 * @param fixes in the order in which they are applied
 * @throws SutureError DIFF when the tree is in none of the states that lead from the base's source to that with all fixes
 */
export function sourceStates(fixes: readonly EarlierFix[], tree: ReadFile): SourceStates {
  let problem: unknown;
  for (let held = fixes.length; held >= 0; held--) {
    try {
      return statesFrom(fixes, tree, held);
    } catch (error) {
      if (!(error instanceof SutureError)) throw error;
      problem = error;
    }
  }
  const names = fixes.map(({ diff }) => diff.name).join(', ');
  const [first] = fixes;
  throw new SutureError(
    'DIFF',
    fixes.length === 1
      ? `the tree holds neither the source before ${first?.id} nor the one with it`
      : `the tree holds none of the sources from that before ${first?.id} to that with ${fixes.at(-1)?.id}`,
    { remedy: `bring the files that ${names} change to one of these states`, cause: problem },
  );
}

/** @param held how many of the fixes the tree has */
function statesFrom(fixes: readonly EarlierFix[], tree: ReadFile, held: number): SourceStates {
  const states: ReadFile[] = [tree];
  const paths = new Set<string>();
  const step = (from: ReadFile, diff: DiffInput): ReadFile => {
    const changed = applyDiffs([diff], from, () => {});
    for (const { path } of changed) paths.add(path);
    return reader(changed, from);
  };
  for (const { diff } of fixes.slice(0, held).reverse())
    states.unshift(step(states[0]!, { ...diff, reverse: true }));
  for (const { diff } of fixes.slice(held)) states.push(step(states.at(-1)!, diff));
  return { states, paths: [...paths] };
}

const reader =
  (files: readonly ChangedFile[], tree: ReadFile): ReadFile =>
  (name) => {
    const known = files.find((file) => file.path === name);
    return known === undefined ? tree(name) : known.patched;
  };
