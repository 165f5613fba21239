/** Links the changed units against every object that they are part of. */
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import type { Patch } from '../patch/patch.ts';
import { writePatch } from '../patch/writer.ts';
import type { Base } from './base.ts';
import type { ChangedUnit } from './compare-versions.ts';
import { type CompatResult, fitForLibcareplus } from './compat.ts';
import type { EarlierFix } from './earlier.ts';
import { findLinkedFiles } from './find-objects.ts';
import { type Introduced, type IntroducedName, NOTHING_INTRODUCED } from './introduced.ts';
import { linkPatch } from './link.ts';
import type { EarlierPatches } from './link-request.ts';
import type { OpenedAhead } from './open-ahead.ts';
import { openBase, type SymbolSources } from './open-base.ts';
import type { LinkedObject, Project } from './project.ts';
import type { Refusal } from './refusal.ts';
import type { BuildOptions, BuiltPatch, Refused } from './result.ts';
import { UnitPlacement } from './unit-placement.ts';

/** A patch that is made but not written. */
export interface MadePatch {
  readonly bytes: Uint8Array;
  readonly patch: Omit<BuiltPatch, 'file'>;
}

export interface LinkOutcome {
  readonly made: readonly MadePatch[];
  readonly refused: readonly Refused[];
}

/** An object that may hold changed units. */
interface Candidate {
  readonly file: string;
  /** Units that the link command names, directly or in partial links. */
  readonly certain: readonly ChangedUnit[];
  /** Units that may have been taken out of an archive, or of which nothing is known. */
  readonly possible: readonly ChangedUnit[];
  readonly recordedBuildId: string | null | undefined;
}

interface Sources extends SymbolSources {
  /** The user names the object. */
  readonly isNamed: boolean;
  readonly ahead: OpenedAhead | undefined;
}

/** The fixes that all objects are to have already. */
export interface OnTopOf {
  /** In the order in which they are applied. */
  readonly fixes: readonly EarlierFix[];
  /** What they added, by unit. */
  readonly introduced: ReadonlyMap<string, Introduced>;
  /** Those that change functions of a unit, by unit. */
  readonly touched: ReadonlyMap<string, ReadonlySet<string>>;
}

export function linkObjects(
  project: Project,
  units: readonly ChangedUnit[],
  compiler: string,
  options: BuildOptions,
  progress: Progress,
  { onTop, ahead }: { readonly onTop?: OnTopOf | undefined; readonly ahead?: OpenedAhead | undefined } = {},
): LinkOutcome {
  const made: MadePatch[] = [];
  const refused: Refused[] = [];
  const placed = new Set<ChangedUnit>();
  const done = new Set<string>();
  const candidates = candidatesFor(project, units, options);
  const sources: Sources = {
    isNamed: options.target !== undefined,
    ahead: options.target === undefined ? ahead : undefined,
    ...(options.debug === undefined ? {} : { debug: options.debug }),
    rebuilt: options.target === undefined ? [] : rebuiltFor(options.target, project, units),
  };
  for (const [index, candidate] of candidates.entries()) {
    progress.step('linking patches', index, candidates.length);
    const opened = openCandidate(candidate, units, sources, progress);
    if (opened === undefined) continue;
    const { base, present } = opened;
    for (const unit of present) placed.add(unit);
    if (done.has(base.buildId)) continue;
    done.add(base.buildId);
    const earlier = onTop && earlierFor(base, onTop);
    const lacking = onTop && lackingFor(base, present, onTop);
    if (lacking !== undefined) {
      const { fix, unit } = lacking;
      refused.push({
        object: candidate.file,
        unit,
        what: `${fix} changes ${unit} and has no patch for ${candidate.file} (${base.buildId})`,
        remedy: 'name the object that it was built for with --target FILE',
      });
      continue;
    }
    const result = linkPatch({
      ...(earlier === undefined ? {} : { earlier }),
      base,
      units: present.map((unit) => ({
        ...unit,
        introduced: onTop?.introduced.get(unit.name)?.names ?? NOTHING_INTRODUCED.names,
      })),
      id: options.id,
      description: options.description ?? '',
      file: path.basename(candidate.file),
      compiler,
      warnings: warningsOf(present),
      ...(options.keepTime === true ? { builtAt: Math.floor(Date.now() / 1000) } : {}),
    });
    if (result.kind === 'refused') {
      refused.push(...result.refusals.map((refusal) => refusedIn(candidate.file, refusal)));
      continue;
    }
    const { warnings } = result;
    const plain: CompatResult = { kind: 'fits', contents: result.contents };
    let fitted = (options.compat ?? false) === false ? plain : fitForLibcareplus(result.contents, base);
    if (fitted.kind === 'refused' && options.compat === 'if-possible') {
      for (const { what } of fitted.refusals) progress.note(what);
      fitted = plain;
    }
    if (fitted.kind === 'refused') {
      refused.push(...fitted.refusals.map((refusal) => refusedIn(candidate.file, refusal)));
      continue;
    }
    const { contents } = fitted;
    const { functions, variables } = contents.manifest;
    made.push({
      bytes: writePatch(contents, sha256),
      patch: {
        buildId: base.buildId,
        object: candidate.file,
        functions,
        variables,
        warnings: [
          ...contents.manifest.warnings,
          ...warnings.filter((w) => !contents.manifest.warnings.includes(w)),
        ],
        units: present.length,
      },
    });
  }
  if (options.target === undefined) {
    for (const unit of units) if (!placed.has(unit)) refused.push(nowhere(unit));
  } else if (placed.size === 0) refused.push(notInTarget(options.target, units));
  return { made, refused };
}

function candidatesFor(project: Project, units: readonly ChangedUnit[], options: BuildOptions): Candidate[] {
  const recorded = project.linked
    .filter(({ output }) => fs.existsSync(output))
    .map((object) => candidateOf(object, units));
  if (options.target !== undefined) {
    const target = existing(options.target);
    const known = recorded.find(({ file }) => fs.realpathSync(file) === target);
    return [known ?? { file: target, certain: [], possible: units, recordedBuildId: undefined }];
  }
  const holding = recorded.filter(({ certain, possible }) => certain.length + possible.length > 0);
  const homeless = units.filter(
    (unit) => !holding.some(({ certain, possible }) => [...certain, ...possible].includes(unit)),
  );
  if (homeless.length === 0) return holding;
  // Objects of which the record says nothing: a compilation database knows no links, and build scripts may copy objects.
  const others = new Set([...recorded.map(({ file }) => file), ...findLinkedFiles(project.root)]);
  for (const { file } of holding) others.delete(file);
  return [
    ...holding,
    ...[...others].map(
      (file): Candidate => ({ file, certain: [], possible: homeless, recordedBuildId: undefined }),
    ),
  ];
}

function earlierFor(base: Base, { fixes, introduced }: OnTopOf): EarlierPatches | undefined {
  const manifests = fixes.flatMap((fix) => patchFor(base, fix)?.manifest ?? []);
  if (manifests.length === 0) return undefined;
  const shared = new Map<string, IntroducedName & { unit: string }>();
  for (const [unit, { names, shared: every }] of introduced) {
    for (const name of every) shared.set(name, { ...names.get(name)!, unit });
  }
  return { manifests, shared };
}

const patchFor = ({ buildId }: Base, { patches }: EarlierFix): Patch | undefined =>
  patches.find(({ manifest }) => manifest.target.buildId === buildId);

/** An earlier fix to one of the units that has no patch for the base. */
function lackingFor(
  base: Base,
  present: readonly ChangedUnit[],
  { fixes, touched }: OnTopOf,
): { readonly fix: string; readonly unit: string } | undefined {
  for (const fix of fixes) {
    if (patchFor(base, fix) !== undefined) continue;
    const unit = present.find(({ name }) => touched.get(name)?.has(fix.id));
    if (unit !== undefined) return { fix: fix.id, unit: unit.name };
  }
  return undefined;
}

/** Recorded objects that hold a changed unit, those with the target's name first. */
function rebuiltFor(target: string, project: Project, units: readonly ChangedUnit[]): string[] {
  const isNamed = (file: string): boolean => path.basename(file) === path.basename(target);
  return project.linked
    .filter((object) => units.some(({ unit }) => object.units.has(unit.key)))
    .map(({ output }) => output)
    .filter((file) => fs.existsSync(file) && fs.realpathSync(file) !== existing(target))
    .sort((a, b) => Number(isNamed(b)) - Number(isNamed(a)));
}

function candidateOf(
  { output, units, direct, buildId }: LinkedObject,
  changed: readonly ChangedUnit[],
): Candidate {
  const inIt = changed.filter(({ unit }) => units.has(unit.key));
  return {
    file: output,
    certain: inIt.filter(({ unit }) => direct.has(unit.key)),
    possible: inIt.filter(({ unit }) => !direct.has(unit.key)),
    recordedBuildId: buildId,
  };
}

/** Opens the base if any unit is in it. What is not certain is looked for by its symbols. */
function openCandidate(
  candidate: Candidate,
  all: readonly ChangedUnit[],
  sources: Sources,
  progress: Progress,
): { base: Base; present: ChangedUnit[] } | undefined {
  const { file, certain, possible, recordedBuildId } = candidate;
  const isGuess = certain.length === 0 && !sources.isNamed;
  let base: Base;
  try {
    const { ahead } = sources;
    const opened = ahead?.file === file ? ahead : openBase(file, sources);
    base = opened.base;
    if (opened.symbolsFrom !== undefined)
      progress.note(`symbols of ${file} are read from ${opened.symbolsFrom}`);
  } catch (error) {
    if (isGuess && error instanceof SutureError && recordedBuildId === undefined) {
      progress.note(`${file} is passed over: ${error.message}`);
      return undefined;
    }
    throw error;
  }
  const found = new Set([
    ...certain,
    ...possible.filter(({ originalObject }) => UnitPlacement.find(base, originalObject).isPresent),
  ]);
  if (found.size === 0) return undefined;
  if (recordedBuildId !== undefined && recordedBuildId !== base.buildId) {
    progress.warn(
      `${file} was linked again since it was recorded; its code is compared with what the source compiles to`,
    );
  }
  return { base, present: all.filter((unit) => found.has(unit)) };
}

const refusedIn = (object: string, { unit, what, where, remedy }: Refusal): Refused => ({
  object,
  what,
  remedy: remedy ?? 'restart the program with a new build for this fix',
  ...(unit === undefined ? {} : { unit }),
  ...(where === undefined ? {} : { where }),
});

function existing(file: string): string {
  try {
    return fs.realpathSync(file);
  } catch (error) {
    throw new SutureError('IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

function nowhere({ name, unit }: ChangedUnit): Refused {
  return {
    unit: name,
    what: `${name} changes, but no linked object that was recorded contains it as it compiles now`,
    where: unit.key,
    remedy: 'record the whole build, links included, or name the object with --target FILE',
  };
}

function notInTarget(target: string, units: readonly ChangedUnit[]): Refused {
  return {
    object: target,
    what: `${path.basename(target)} contains nothing of ${units.map(({ name }) => name).join(', ')} as it compiles here`,
    remedy: 'build with the compiler, flags and source of the target, or leave out --target',
  };
}

function warningsOf(units: readonly ChangedUnit[]): string[] {
  return units.flatMap(({ name, leftOut, warnings }) => [
    ...warnings,
    ...(leftOut.length > 0
      ? [`${name}: left out by --function: ${leftOut.map((each) => each.name).join(', ')}`]
      : []),
  ]);
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}
