/** The way from a source diff to a patch set. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import { during, SutureError } from '../base/errors.ts';
import { type Progress, silent } from '../base/progress.ts';
import { UndoList } from '../base/undo.ts';
import { Acceptance } from './acceptance.ts';
import { compareOnTop } from './compare-on-top.ts';
import { type ChangedUnit, type Comparison, compareVersions } from './compare-versions.ts';
import { compileStates } from './compile-states.ts';
import { applyDiffs, type ChangedFile } from './diff.ts';
import { diffName, type EarlierFix, loadEarlier } from './earlier.ts';
import { EarlyVersions } from './early-versions.ts';
import { CleanUpOnExit } from './interruption.ts';
import type { Introduced } from './introduced.ts';
import { recoverTree } from './journal.ts';
import { type LeftOut, leftWithOldSignature, type NewSignature } from './left-out.ts';
import { linkObjects, type OnTopOf } from './link-objects.ts';
import { TreeLock } from './lock.ts';
import { namePattern } from './name-pattern.ts';
import { obtainProject } from './obtain-record.ts';
import { type OpenedAhead, openAhead } from './open-ahead.ts';
import type { Project, Unit } from './project.ts';
import type { BuildOptions, BuildResult, Refused } from './result.ts';
import { sourceDiff } from './source-diff.ts';
import { type SourceStates, sourceStates } from './source-states.ts';
import { Toolchain } from './toolchain.ts';
import { touchedTypes } from './type-bodies.ts';
import { reachOf, type TouchedFile } from './units.ts';
import { reportUnread } from './unread.ts';
import {
  compileObjects,
  compileOriginals,
  compilePatched,
  nameOf,
  type Versions,
  type Workplace,
} from './versions.ts';
import { checkOutputFolder, writePatches } from './write-patches.ts';

/**
 * Builds one patch for each linked object that the diffs change. The source tree is as before when this ends, however
 * it ends. Patches are written only if nothing was refused.
 * @throws SutureError USAGE, IO, NO_RECORD, BUSY, DIFF, COMPILE, TOOLCHAIN, NO_CHANGE, NO_BUILD_ID, …
 */
export async function buildPatchSet(
  options: BuildOptions,
  progress: Progress = silent,
): Promise<BuildResult> {
  checkId(options.id);
  checkOutputFolder(options.outDir);
  if (options.debug !== undefined && options.target === undefined)
    throw new SutureError('USAGE', '--debug without --target', {
      remedy: 'name the linked object that the debug file belongs to with --target FILE',
    });
  return await during(`building ${options.id}`, async () => {
    const root = rootOf(options.dir);
    const diffs = options.diffs.map(readDiff);
    const project = await obtainProject(root, progress);
    using place = new BuildPlace(root, options.jobs, progress);
    const clock = new Clock();

    progress.step('reading the diff');
    const earlier = loadEarlier(options.after ?? []);
    if (earlier.some(({ id }) => id === options.id)) throw sameId(options.id);
    const tree = treeReader(root);
    const sources = earlier.length === 0 ? undefined : sourceStates(earlier, tree);
    const files = applyDiffs(diffs, sources?.states.at(-1) ?? tree, (text) => progress.warn(text));
    if (files.length === 0) throw new SutureError('NO_CHANGE', 'the diff changes nothing');

    progress.step('finding the units that the fix reaches');
    await using early = new EarlyVersions(sources === undefined ? project.units : [], files, place);
    let ahead: OpenedAhead | undefined;
    const reach = await reachOf(
      files.map((file) => touched(file, root)),
      project.units,
      place.toolchain,
      options.jobs,
      async () => {
        await early.patchedBegun;
        if (options.target === undefined) ahead = openAhead(project, early.units);
        await early.treeIsBack;
      },
    );
    reportUnread(reach.unread, progress);
    if (reach.refused.length > 0) return refusal(reach.refused, clock);
    if (reach.units.length === 0)
      throw new SutureError(
        'NO_CHANGE',
        `no unit of the record reads ${files.map((file) => file.path).join(', ')}`,
      );
    clock.lap('find');

    const { changed, refused, leftOut, onTop } =
      sources === undefined
        ? await compareTwo(reach.units, files, place, options, clock)
        : await compareStacked(unitsOnTop(reach.units, project, earlier), files, place, options, clock, {
            fixes: earlier,
            sources,
          });
    if (refused.length > 0) return refusal(refused, clock);
    warnOfUnseenTypes(files, changed);
    if (changed.length === 0) throw nothingChanged(leftOut.map(({ name }) => name));

    const compiler = await place.toolchain.version(changed[0]!.unit);
    const linked = linkObjects(project, changed, compiler, options, progress, { onTop, ahead });
    clock.lap('link');
    if (linked.refused.length > 0) return refusal(linked.refused, clock);
    const patches = writePatches(linked.made, options.outDir, {
      name: diffName(options.id),
      text: sourceDiff(files),
    });
    clock.lap('write');
    return { patches, refused: [], timings: clock.laps };
  });
}

interface Compared {
  readonly changed: ChangedUnit[];
  readonly refused: Refused[];
  readonly leftOut: LeftOut[];
  readonly onTop?: OnTopOf;
}

async function compareTwo(
  units: readonly Unit[],
  files: readonly ChangedFile[],
  place: BuildPlace,
  options: BuildOptions,
  clock: Clock,
): Promise<Compared> {
  const originals = await compileOriginals(units, place);
  clock.lap('compileOriginal');
  const patched = await compilePatched(units, files, place);
  const isDifferent = (i: number): boolean => !originals[i]!.equals(patched[i]!);
  const objects = await compileObjects(units, [], place, isDifferent);
  clock.lap('compilePatched');
  const versions = units.map(
    (unit, i): Versions => ({
      unit,
      name: nameOf(unit, place.root),
      original: originals[i]!,
      patched: patched[i]!,
      baseObject: objects[i],
      linked: place.toolchain.asRecorded(unit),
    }),
  );
  const compared = await compareAll(versions, options, place.progress, compareVersions);
  clock.lap('compare');
  return compared;
}

async function compareStacked(
  units: readonly Unit[],
  files: readonly ChangedFile[],
  place: BuildPlace,
  options: BuildOptions,
  clock: Clock,
  { fixes, sources }: { readonly fixes: readonly EarlierFix[]; readonly sources: SourceStates },
): Promise<Compared> {
  const versions = await compileStates(units, fixes, sources, files, place);
  clock.lap('compile');
  const introduced = new Map<string, Introduced>();
  const touched = new Map<string, ReadonlySet<string>>();
  const compared = await compareAll(
    versions,
    options,
    place.progress,
    async (version, wanted, acceptance) => {
      const comparison = await compareOnTop(version, fixes, wanted, acceptance);
      introduced.set(version.name, comparison.introduced);
      touched.set(version.name, comparison.touchedBy);
      return comparison;
    },
  );
  clock.lap('compare');
  return { ...compared, onTop: { fixes, introduced, touched } };
}

/** With the units that the earlier fixes change: what they add can be named by others. */
function unitsOnTop(reached: readonly Unit[], project: Project, fixes: readonly EarlierFix[]): Unit[] {
  const patches = fixes.flatMap((fix) => fix.patches);
  const touched = new Set(patches.flatMap(({ manifest }) => manifest.functions.map(({ unit }) => unit)));
  const more = project.units.filter((unit) => touched.has(nameOf(unit, project.root)));
  return [...new Set([...reached, ...more])];
}

async function compareAll<V extends Versions>(
  versions: readonly V[],
  options: BuildOptions,
  progress: Progress,
  compare: (version: V, wanted: (name: string) => boolean, acceptance: Acceptance) => Promise<Comparison>,
): Promise<Compared> {
  progress.step('comparing');
  const wanted = namePattern(options.functions);
  const acceptance = new Acceptance(options.acceptData, options.acceptLayout);
  const changed: ChangedUnit[] = [];
  const refused: Refused[] = [];
  const leftOut: LeftOut[] = [];
  const signatures: NewSignature[] = [];
  for (const version of versions) {
    const comparison = await during(`comparing both versions of ${version.name}`, () =>
      compare(version, wanted, acceptance),
    );
    if (comparison.kind === 'refused') refused.push(...comparison.refused.filter(isNews(refused)));
    else if (comparison.kind === 'unselected') leftOut.push(...comparison.leftOut);
    else if (comparison.kind === 'changed') {
      changed.push(comparison.changed);
      leftOut.push(...comparison.changed.leftOut);
      signatures.push(...comparison.changed.signatures);
    }
    // No patch carries it: said here or nowhere.
    else for (const warning of comparison.warnings) progress.warn(warning);
  }
  for (const text of acceptance.useless) progress.warn(text);
  refused.push(...leftWithOldSignature(leftOut, signatures));
  return { changed, refused, leftOut };
}

/** Every unit that reads a header has the same to say of its types: it is said once. */
function isNews(known: readonly Refused[]): (refused: Refused) => boolean {
  return ({ what }) => !known.some((each) => each.what === what);
}

/** Whether a layout changes shows in debug information only; where it is lacking, the text says which to think of. */
function warnOfUnseenTypes(files: readonly ChangedFile[], changed: ChangedUnit[]): void {
  const types = touchedTypes(files);
  if (types.length === 0) return;
  for (const [i, each] of changed.entries()) {
    if (each.originalObject.section('.debug_info') !== undefined) continue;
    const warning = `${each.name}: the diff changes the declaration of ${types.join(', ')}, and without debug information it cannot be told whether running processes hold them in another layout: build the base with -g to have them compared`;
    changed[i] = { ...each, warnings: [...each.warnings, warning] };
  }
}

function nothingChanged(leftOut: readonly string[]): SutureError {
  if (leftOut.length === 0) return new SutureError('NO_CHANGE', 'both versions compile to the same code');
  return new SutureError(
    'NO_CHANGE',
    `no changed function is called that; the fix changes ${leftOut.join(', ')}`,
    { remedy: 'name one of these with --function, or leave it out' },
  );
}

function refusal(refused: readonly Refused[], clock: Clock): BuildResult {
  return { patches: [], refused, timings: clock.laps };
}

function sameId(id: string): SutureError {
  return new SutureError('USAGE', `a patch ${id} cannot be built after the patch ${id}`, {
    remedy: 'give the new patch another id',
  });
}

function checkId(id: string): void {
  if (/^[A-Za-z0-9._-]{1,64}$/.test(id)) return;
  throw new SutureError('USAGE', `${JSON.stringify(id)} is no patch id`, {
    remedy: 'use 1 to 64 letters, digits, ".", "_" or "-"',
  });
}

function rootOf(directory: string): string {
  try {
    return fs.realpathSync(directory);
  } catch (error) {
    throw new SutureError('USAGE', `${directory} is not a folder`, {
      remedy: 'name the source tree with -C DIR',
      cause: error,
    });
  }
}

function readDiff(file: string): { name: string; text: string } {
  try {
    return { name: file, text: fs.readFileSync(file, 'latin1') };
  } catch (error) {
    throw new SutureError('IO', `cannot read the diff ${file}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function treeReader(root: string): (name: string) => string | undefined {
  return (name) => {
    try {
      return fs.readFileSync(path.join(root, name), 'latin1');
    } catch {
      return undefined;
    }
  };
}

function touched({ path: name, original, patched }: ChangedFile, root: string): TouchedFile {
  const kind = original === undefined ? 'new' : patched === undefined ? 'deleted' : 'changed';
  return { path: name, absolute: path.join(root, name), kind };
}

/** Milliseconds between laps, by name. */
class Clock {
  readonly laps: Record<string, number> = {};
  #last = performance.now();

  lap(name: string): void {
    const now = performance.now();
    this.laps[name] = Math.round(now - this.#last);
    this.#last = now;
  }
}

/** Everything that a build holds in the world: taken back in reverse when it ends, also by a signal. */
class BuildPlace implements Workplace, Disposable {
  readonly toolchain: Toolchain;
  readonly #undo = new UndoList();
  #putBack: (() => void) | undefined;

  constructor(
    readonly root: string,
    readonly jobs: number,
    readonly progress: Progress,
  ) {
    const lock = TreeLock.take(root);
    this.#undo.note('the lock of the tree', () => lock[Symbol.dispose]());
    const onExit = new CleanUpOnExit(() => this.#cleanUp());
    this.#undo.note('signal handlers', () => onExit[Symbol.dispose]());
    try {
      if (recoverTree(root, (text) => progress.warn(text)) > 0)
        progress.warn('source files that a killed build had changed were put back');
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'suture-build-'));
      this.#undo.note('intermediate files', () => fs.rmSync(folder, { recursive: true, force: true }));
      const abort = new AbortController();
      this.#undo.note('running compilers', () => abort.abort());
      this.toolchain = new Toolchain(folder, abort.signal);
    } catch (error) {
      this.#cleanUp();
      throw error;
    }
  }

  onChange = (putBack: (() => void) | undefined): void => {
    this.#putBack = putBack;
  };

  #cleanUp(): void {
    this.#putBack?.();
    this.#undo.rollBack();
  }

  [Symbol.dispose](): void {
    this.#cleanUp();
  }
}
