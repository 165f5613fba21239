/**
 * Compiles the units of a fix that builds on earlier ones: as the base has them, with one earlier fix more each time, and
 * with the new one.
 */
import { during } from '../base/errors.ts';
import type { StackedVersions } from './compare-on-top.ts';
import type { ChangedFile, ReadFile } from './diff.ts';
import type { EarlierFix } from './earlier.ts';
import type { Unit } from './project.ts';
import type { SourceStates } from './source-states.ts';
import { compileObjects, compilePatched, nameOf, type Workplace } from './versions.ts';

/**
 * @param fixes the earlier ones, in the order of `states`
 * @param files what the new fix makes of the sources that have all earlier ones
 * @throws SutureError COMPILE, TOOLCHAIN
 */
export async function compileStates(
  units: readonly Unit[],
  fixes: readonly EarlierFix[],
  { states, paths: earlierPaths }: SourceStates,
  files: readonly ChangedFile[],
  place: Workplace,
): Promise<StackedVersions[]> {
  const paths = [...new Set([...earlierPaths, ...files.map(({ path }) => path)])].sort();
  const [base, last] = [states[0]!, states.at(-1)!];
  const all: ReadFile = (name) => {
    const file = files.find(({ path }) => path === name);
    return file === undefined ? last(name) : file.patched;
  };
  // Lines are counted as in the base in all of them: so they were when the earlier patches were built.
  const filesOf = (state: ReadFile): ChangedFile[] =>
    paths.map((path) => ({ path, original: base(path), patched: state(path) }));
  const compile = (what: string, state: ReadFile): Promise<Buffer[]> =>
    during(`compiling ${what}`, () => compilePatched(units, filesOf(state), place));
  const compiled: Buffer[][] = [];
  for (const [i, state] of states.entries()) {
    const fix = fixes[i - 1];
    compiled.push(
      await compile(fix === undefined ? 'the source of the base' : `the source with ${fix.id}`, state),
    );
  }
  const patched = await compile('the source with all fixes', all);
  const statesOf = (i: number): Buffer[] => compiled.map((texts) => texts[i]!);
  const isDifferent = (i: number): boolean => statesOf(i).some((text) => !text.equals(patched[i]!));
  const objects = await compileObjects(units, filesOf(base), place, isDifferent);
  return units.map((unit, i) => ({
    unit,
    name: nameOf(unit, place.root),
    states: statesOf(i),
    original: compiled.at(-1)![i]!,
    patched: patched[i]!,
    baseObject: objects[i],
    linked: place.toolchain.asRecorded(unit),
  }));
}
