/** Compiles each unit that a fix reaches in both versions, the patched one with the tree changed for that time. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import type { ChangedFile } from './diff.ts';
import { ChangedTree, type FileChange } from './journal.ts';
import { correctLines } from './line-correction.ts';
import { inParallel } from './parallel.ts';
import type { Unit } from './project.ts';
import type { Toolchain } from './toolchain.ts';

export interface Versions {
  readonly unit: Unit;
  /** Relative to the tree, for messages. */
  readonly name: string;
  /** Assembler text, one character per byte. */
  readonly original: Buffer;
  readonly patched: Buffer;
  /** Object file of what the base was linked from; undefined: what its text assembles to. */
  readonly baseObject: Buffer | undefined;
  /** What the base was linked from, if it is another text than the original's: see layout-dependence.ts. */
  readonly linked: Buffer | undefined;
}

/** What the compilation works with. */
export interface Workplace {
  /** Absolute real path of the tree. */
  readonly root: string;
  readonly toolchain: Toolchain;
  readonly jobs: number;
  readonly progress: Progress;
  /** Called with the way to put the tree back before it is changed, and with undefined afterwards. */
  readonly onChange: (putBack: (() => void) | undefined) => void;
}

export async function compileOriginals(
  units: readonly Unit[],
  { root, toolchain, jobs, progress }: Workplace,
): Promise<Buffer[]> {
  let done = 0;
  return await inParallel(units, jobs, async (unit) => {
    const text = await toolchain
      .assemblerText(unit, `the original ${nameOf(unit, root)}`)
      .catch((error: unknown) => {
        throw error instanceof SutureError && error.code === 'COMPILE'
          ? new SutureError('COMPILE', error.message, {
              remedy: 'the tree must be as it was when the base was built; record the build again',
              cause: error,
            })
          : error;
      });
    progress.step('compiling the originals', ++done, units.length);
    return text;
  });
}

/**
 * Object files of what the base was linked from, for those units that `isWanted`, from compilers whose text does not
 * tell every byte; undefined for the others. `files` lead from the tree to the source of the base.
 */
export async function compileObjects(
  units: readonly Unit[],
  files: readonly ChangedFile[],
  workplace: Workplace,
  isWanted: (index: number) => boolean,
): Promise<(Buffer | undefined)[]> {
  const { root, toolchain, jobs } = workplace;
  const direct = await inParallel(units, jobs, async (unit, i) => isWanted(i) && toolchain.isDirect(unit));
  const compile = (): Promise<(Buffer | undefined)[]> =>
    inParallel(units, jobs, async (unit, i) =>
      direct[i] === true ? await toolchain.object(unit, `the original ${nameOf(unit, root)}`) : undefined,
    );
  if (files.length === 0 || !direct.includes(true)) return await compile();
  return await withChanges(changesOf(files, root, true), workplace, compile);
}

/**
 * Puts the patched files in place, compiles, and puts the originals back.
 * A unit that does not compile with line directives in its text is compiled again without them: either that helps, or
 * the compiler's messages name the lines that a person sees.
 */
export async function compilePatched(
  units: readonly Unit[],
  files: readonly ChangedFile[],
  workplace: Workplace,
): Promise<Buffer[]> {
  const { root, toolchain, jobs, progress } = workplace;
  let done = 0;
  const compile = (): Promise<(Buffer | undefined)[]> =>
    inParallel(units, jobs, async (unit) => {
      const text = await toolchain
        .assemblerText(unit, `the patched ${nameOf(unit, root)}`)
        .catch(compileFailure);
      progress.step('compiling the patched sources', ++done, units.length);
      return text;
    });
  const corrected = units.every((unit) => toolchain.hasBegun(unit))
    ? await compile()
    : await withChanges(changesOf(files, root, true), workplace, compile);
  const failed = units.filter((_, index) => corrected[index] === undefined);
  if (failed.length === 0) return corrected as Buffer[];
  const plain = await withChanges(changesOf(files, root, false), workplace, () =>
    inParallel(failed, jobs, (unit) => toolchain.assemblerText(unit, `the patched ${nameOf(unit, root)}`)),
  );
  for (const unit of failed)
    progress.warn(
      `${nameOf(unit, root)} compiles only without line corrections: functions that only moved may count as changed`,
    );
  return units.map((unit, index) => corrected[index] ?? plain[failed.indexOf(unit)]!);
}

function compileFailure(error: unknown): undefined {
  if (error instanceof SutureError && error.code === 'COMPILE') return undefined;
  throw error;
}

/** Does `work` with the tree changed. */
export async function withChanges<T>(
  changes: readonly FileChange[],
  { root, progress, onChange }: Workplace,
  work: () => Promise<T>,
): Promise<T> {
  const warn = (text: string): void => progress.warn(text);
  // From here on the tree is not as the user knows it: whatever ends this function, or the process, puts it back.
  const tree = ChangedTree.change(root, changes, warn);
  onChange(() => tree.putBack(warn));
  try {
    return await work();
  } finally {
    tree.putBack(warn);
    onChange(undefined);
  }
}

const LINED = /\.(c|h|cc|cpp|cxx|c\+\+|C|H|hh|hpp|hxx|inl|inc|ipp|tcc|m|mm|def|tab|x|ii?)$/;

/** `correct`: with line directives that keep the numbers of unchanged lines. */
export function changesOf(files: readonly ChangedFile[], root: string, correct: boolean): FileChange[] {
  return files.map(({ path: name, original, patched }) => {
    const lined = correct && original !== undefined && patched !== undefined && LINED.test(name);
    const text = lined ? correctLines(original, patched).text : patched;
    return {
      path: realPath(path.join(root, name)),
      content: text === undefined ? undefined : Buffer.from(text, 'latin1'),
    };
  });
}

/** A source that is a symbolic link is changed where it really is. */
function realPath(file: string): string {
  return fs.existsSync(file) ? fs.realpathSync(file) : file;
}

/** The unit's source as messages and manifests name it. */
export function nameOf(unit: Unit, root: string): string {
  const relative = path.relative(root, unit.source);
  return relative.startsWith('..') ? unit.source : relative;
}
