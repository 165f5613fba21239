/** Compiles the units of a fix that builds on an earlier one: as the base has them, with the earlier fix, with both. */
import { during } from '../base/errors.ts';
import type { ThreeVersions } from './compare-on-top.ts';
import type { ChangedFile, ReadFile } from './diff.ts';
import type { SourceStates } from './earlier.ts';
import type { Unit } from './project.ts';
import { compileObjects, compilePatched, nameOf, type Workplace } from './versions.ts';

/**
 * @param files what the new fix makes of the sources that have the earlier one
 * @throws SutureError COMPILE, TOOLCHAIN
 */
export async function compileThree(
  units: readonly Unit[],
  states: SourceStates,
  files: readonly ChangedFile[],
  place: Workplace,
): Promise<ThreeVersions[]> {
  const paths = [...new Set([...states.paths, ...files.map(({ path }) => path)])].sort();
  const both: ReadFile = (name) => {
    const file = files.find(({ path }) => path === name);
    return file === undefined ? states.fixed(name) : file.patched;
  };
  // Lines are counted as in the base in all three: so they were when the earlier patch was built.
  const filesOf = (state: ReadFile): ChangedFile[] =>
    paths.map((path) => ({ path, original: states.base(path), patched: state(path) }));
  const compile = (what: string, state: ReadFile): Promise<Buffer[]> =>
    during(`compiling ${what}`, () => compilePatched(units, filesOf(state), place));
  const base = await compile('the source of the base', states.base);
  const original = await compile('the source with the earlier fix', states.fixed);
  const patched = await compile('the source with both fixes', both);
  const isDifferent = (i: number): boolean => !base[i]!.equals(original[i]!) || !base[i]!.equals(patched[i]!);
  const objects = await compileObjects(units, filesOf(states.base), place, isDifferent);
  return units.map((unit, i) => ({
    unit,
    name: nameOf(unit, place.root),
    base: base[i]!,
    original: original[i]!,
    patched: patched[i]!,
    baseObject: objects[i],
    linked: place.toolchain.asRecorded(unit),
  }));
}
