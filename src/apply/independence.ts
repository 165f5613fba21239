/**
 * Whether patches that were built without knowing of each other fit beside each other. A compiler takes for granted what
 * it sees of the functions that a function calls: which registers and variables they leave alone, what they return. New
 * code of one patch that was compiled against the base's version of a function must not call another patch's version.
 */
import { SutureError } from '../base/errors.ts';
import type { Manifest } from '../patch/manifest.ts';
import type { Patch } from '../patch/patch.ts';
import type { Region } from './region.ts';

/** @throws SutureError UNSAFE naming the function, when `patch` and one that stays in force do not fit. */
export function requireIndependence(
  { manifest }: Pick<Patch, 'manifest'>,
  stays: readonly Pick<Region, 'id' | 'manifest'>[],
): void {
  const ours = changedIn(manifest);
  for (const region of stays) {
    if (region.manifest === undefined || manifest.requires.includes(region.id)) continue;
    // What the new patch changes too is out of force from now on.
    const theirs = changedIn(region.manifest).filter((name) => !ours.includes(name));
    if (theirs.length === 0) continue;
    const found = theirs.find(seenBy(manifest)) ?? ours.find(seenBy(region.manifest));
    if (found === undefined) continue;
    const [, name = ''] = found.split('\0');
    throw new SutureError(
      'UNSAFE',
      `${manifest.id} and ${region.id} were built for themselves, and code of one calls ${name}, which the other changes: the compiler knew the base’s ${name} only`,
      {
        remedy: `build ${manifest.id} with --after the patch ${region.id}, or one patch for both diffs, and apply that with --replace`,
      },
    );
  }
}

const key = (unit: string, name: string): string => `${unit}\0${name}`;

const changedIn = ({ functions }: Manifest): string[] =>
  functions.filter(({ kind }) => kind === 'changed').map(({ unit, name }) => key(unit, name));

function seenBy({ sees = [] }: Manifest): (changed: string) => boolean {
  const seen = new Set(sees.flatMap(({ unit, functions }) => functions.map((name) => key(unit, name))));
  return (changed) => seen.has(changed) || seen.has(key(changed.split('\0')[0]!, '*'));
}
