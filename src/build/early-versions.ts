/**
 * Both versions of the units whose own source a fix changes, compiled while it is still being found out which other
 * units it reaches: they will be wanted, whoever else reads what is changed.
 */
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { ChangedFile } from './diff.ts';
import { inParallel } from './parallel.ts';
import { isComparable, type Unit } from './project.ts';
import { changesOf, nameOf, type Workplace, withChanges } from './versions.ts';

export class EarlyVersions implements AsyncDisposable {
  /** The tree is changed no more. Rejects if it could not be changed, or put back. */
  readonly treeIsBack: Promise<void>;
  /** The originals are there, and compilers are at work on the patched versions. Never rejects. */
  readonly patchedBegun: Promise<void>;
  /** Whose own source is changed. */
  readonly units: readonly Unit[];
  #isEnded = false;

  constructor(units: readonly Unit[], files: readonly ChangedFile[], place: Workplace) {
    const changed = new Set(
      files.flatMap((file) => (file.patched === undefined ? [] : [path.join(place.root, file.path)])),
    );
    this.units = units.filter((unit) => changed.has(unit.source) && isComparable(unit) && !unit.command.lto);
    let tell = (): void => {};
    this.patchedBegun = new Promise((resolve) => {
      tell = resolve;
    });
    this.treeIsBack = this.#compile(this.units, files, place, tell).finally(tell);
    this.treeIsBack.catch(() => {}); // told to whom waits
  }

  async #compile(
    units: readonly Unit[],
    files: readonly ChangedFile[],
    place: Workplace,
    patchedBegun: () => void,
  ): Promise<void> {
    if (!(await begun(units, 'the original', place))) return;
    // Meanwhile the tree is searched. Of a file that is changed only its name is looked at, but the name must be there.
    const isOnlyChanged = files.every(
      ({ original, patched }) => original !== undefined && patched !== undefined,
    );
    if (this.#isEnded || units.length === 0 || !isOnlyChanged) return;
    await withChanges(changesOf(files, place.root, true), place, () => {
      const compiled = begun(units, 'the patched', place);
      patchedBegun();
      return compiled;
    });
  }

  /** Begins nothing more, and leaves neither a compiler behind nor the tree changed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true;
    await this.treeIsBack.catch(() => {});
  }
}

/** False if one of them does not compile; its error is told to whom asks the toolchain for the text. */
async function begun(
  units: readonly Unit[],
  version: string,
  { root, toolchain, jobs }: Workplace,
): Promise<boolean> {
  try {
    await inParallel(units, jobs, (unit) => toolchain.begin(unit, `${version} ${nameOf(unit, root)}`));
    return true;
  } catch (error) {
    if (error instanceof SutureError) return false;
    throw error;
  }
}
