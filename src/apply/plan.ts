/**
 * Everything about applying a patch set that can be decided while the target runs: the objects, the place and bytes of
 * every region, the redirects, the code that no thread may be in. Nothing is touched; `check` shows exactly this.
 */
import { during, SutureError } from '../base/errors.ts';
import { hex, plus, type Remote, remote } from '../bytes/address.ts';
import type { Patch } from '../patch/patch.ts';
import { manifestText } from '../patch/schema.ts';
import { bindImports } from './bindings.ts';
import type { EntryChange } from './commit.ts';
import { completedManifest, type Entry, readEntries } from './entries.ts';
import { requireIndependence } from './independence.ts';
import { layoutRegion, type RegionLayout } from './layout.ts';
import { placesFor } from './place.ts';
import { type Region, readRegions } from './region.ts';
import { linkageOf } from './relocate.ts';
import { type Digest, nameTable, renderRegion, textBase } from './render.ts';
import type { ForbiddenRange } from './safety.ts';
import { baseBytesAt, derivedBytes, entriesOf, redirect, standings } from './stack.ts';
import { threadStorageOf } from './thread-storage.ts';
import { hasFrames, type Registrar, unwindersFor } from './unwinder.ts';
import type { ObjectView, ProcessView } from './view.ts';

export interface ObjectPlan {
  readonly patch: Patch;
  readonly object: ObjectView;
  readonly region: { readonly start: Remote; readonly layout: RegionLayout };
  /** Changed functions. */
  readonly functions: readonly string[];
  readonly changes: readonly EntryChange[];
  readonly forbidden: readonly ForbiddenRange[];
  /** Functions to call in the target for the addresses that they return. */
  readonly resolvers: readonly Remote[];
  /** To be told of the patch's unwind table before it is in force. */
  readonly unwinders: readonly Registrar[];
  /** The region's bytes, once the resolvers have answered. */
  readonly render: (resolved: ReadonlyMap<Remote, Remote>) => Uint8Array;
  /** Active patches of the object that this one takes the place of. */
  readonly replaces: readonly Region[];
  /** What a person should know before it is applied, in words. */
  readonly warnings: readonly string[];
}

export interface ApplyPlan {
  readonly kind: 'apply';
  readonly id: string;
  readonly objects: readonly ObjectPlan[];
  /** Objects that have the patch already. */
  readonly already: readonly ObjectView[];
}

export type PlanResult =
  | ApplyPlan
  | { readonly kind: 'already'; readonly objects: readonly ObjectView[] }
  | { readonly kind: 'not-applicable'; readonly reason: string };

export interface PlanOptions {
  /** Take the place of all active patches of the objects. */
  readonly replace: boolean;
  /** The lowest address that may be mapped. */
  readonly lowestAddress: Remote;
  readonly sha256: Digest;
}

/**
 * Plans one patch set (patches of one id). @throws SutureError with the reason why it cannot be applied: UNSAFE,
 * UNSUPPORTED, MISSING_SYMBOL, NO_ROOM, RELOCATION, BAD_PATCH.
 */
export function planApply(process: ProcessView, patches: readonly Patch[], options: PlanOptions): PlanResult {
  const id = patches[0]?.manifest.id ?? '';
  const reason = unconcerned(process, patches);
  if (reason !== undefined) return { kind: 'not-applicable', reason };
  const maps = process.maps();
  const { tryRead } = process.memory;
  const { regions } = readRegions(maps, tryRead, process.arch);
  const standing = standings(regions, tryRead, process.arch);
  const inForce = regions.filter((region) => ['active', 'buried'].includes(standing.get(region) ?? ''));

  const already: ObjectView[] = [];
  const chosen: { patch: Patch; object: ObjectView }[] = [];
  for (const patch of patches) {
    for (const object of process
      .modules()
      .filter(({ buildId }) => buildId === patch.manifest.target.buildId)) {
      if (inForce.some((region) => isOf(region, object) && sameId(region, id))) already.push(object);
      else chosen.push({ patch, object });
    }
  }
  if (chosen.length === 0) return { kind: 'already', objects: already };

  const taken = maps.map(({ start, end, path }) => ({ start, end, path }));
  const sequence = 1n + (regions.at(-1)?.sequence ?? 0n);
  const objects = chosen.map(({ patch, object }, i) => {
    const plan = during(`planning ${id} for ${object.path}`, () =>
      planObject(process, patch, object, inForce, taken, {
        ...options,
        sequence: sequence + BigInt(i),
        transaction: sequence,
      }),
    );
    const { start, layout } = plan.region;
    taken.push({ start, end: plus(start, layout.size), path: '' });
    taken.sort((a, b) => (a.start < b.start ? -1 : 1));
    return plan;
  });
  return { kind: 'apply', id, objects, already };
}

/** Why a process has nothing to do with a patch set; undefined if it has loaded one of its objects. */
export function unconcerned(process: ProcessView, patches: readonly Patch[]): string | undefined {
  const targets = patches.map(({ manifest }) => manifest.target);
  if (process.modules().some((object) => targets.some(({ buildId }) => buildId === object.buildId)))
    return undefined;
  const wanted = targets.map(({ file, buildId }) => `${file || 'a file'} (${buildId})`);
  return `the process has not loaded ${wanted.join(' or ')}`;
}

/** LibcarePlus's regions know the first characters of an id only. */
const sameId = (region: Region, id: string): boolean =>
  region.origin === 'libcareplus' ? region.id === id.slice(0, 7) : region.id === id;

/** Whether a region patches this mapping of an object, not another one with the same build id. */
export const isOf = (region: Region, object: ObjectView): boolean =>
  region.functions.some(({ redirectAt }) => redirectAt >= object.start && redirectAt < object.end);

/** What is the same in every process is made once for a command on hundreds of them. */
const manifestTexts = new WeakMap<Patch['manifest'], Uint8Array>();
const digests = new WeakMap<Patch, Uint8Array>();

function memo<K extends object, V>(known: WeakMap<K, V>, key: K, make: () => V): V {
  const before = known.get(key);
  if (before !== undefined) return before;
  const made = make();
  known.set(key, made);
  return made;
}

interface ObjectOptions extends PlanOptions {
  readonly sequence: bigint;
  readonly transaction: bigint;
}

function planObject(
  process: ProcessView,
  patch: Patch,
  object: ObjectView,
  inForce: readonly Region[],
  taken: readonly { start: Remote; end: Remote; path: string }[],
  options: ObjectOptions,
): ObjectPlan {
  if (patch.arch.name !== process.arch.name) {
    throw new SutureError(
      'UNSUPPORTED',
      `the patch is for ${patch.arch.name}, the process runs on ${process.arch.name}`,
    );
  }
  const below = inForce.filter((region) => isOf(region, object));
  const replaces = options.replace ? below : [];
  requireRequirements(patch, below, replaces);
  requireIndependence(
    patch,
    below.filter((region) => !replaces.includes(region)),
  );

  const entries = readEntries(process, object, patch, below);
  if (entries.length === 0) throw new SutureError('BAD_PATCH', 'the patch changes no function of the base');
  const manifest = completedManifest(patch, object, entries);
  const manifestBytes = memo(manifestTexts, manifest, () =>
    Uint8Array.from(manifestText(manifest), (character) => character.charCodeAt(0)),
  );
  const linkage = linkageOf(patch);
  const bindings = bindImports(
    process,
    object,
    manifest.imports,
    linkage.importUses,
    below.filter((region) => !replaces.includes(region)),
  );
  const unwinders = hasFrames(patch) ? unwindersFor(patch, process.modules()) : [];
  const layout = layoutRegion({
    sections: patch.sections,
    functionCount: manifest.functions.length,
    changedCount: entries.length,
    namesSize: nameTable(manifest).bytes.length,
    manifestSize: manifestBytes.length,
    stubs: { count: linkage.stubCount, size: patch.arch.link.stub.size },
    gotWords: linkage.wordCount,
    redirectSize: patch.arch.jump.size,
    unwinderCount: unwinders.length,
    pageSize: patch.arch.pageSize,
  });
  const start = placesFor({
    size: layout.size,
    object: { start: object.start, end: object.end, name: object.path },
    reach: patch.arch.jump.reach,
    pageSize: patch.arch.pageSize,
    occupied: taken,
    lowest: options.lowestAddress,
  })[0]!;

  const ownStorage = usesThreadStorage(patch)
    ? threadStorageOf(process, object)
    : { owner: object.path, blockOffset: undefined, moduleId: undefined, descriptors: new Map() };
  const patchDigest = memo(digests, patch, () => options.sha256(patch.bytes));
  // Undo bytes must not lead into a patch that goes away in the same step.
  const beneath = replaces.length > 0 ? entries.map((entry) => ({ ...entry, present: entry.base })) : entries;
  const render = (resolved: ReadonlyMap<Remote, Remote>): Uint8Array =>
    renderRegion({
      link: { patch, base: object, layout, region: start, linkage, bindings, ownStorage, resolved },
      manifest,
      manifestBytes,
      entries: beneath,
      sequence: options.sequence,
      transaction: options.transaction,
      patchDigest,
      sha256: options.sha256,
    });
  const resolvers = [
    ...new Set(bindings.flatMap(({ resolver }) => (resolver === undefined ? [] : [resolver]))),
  ];
  // A relocation that does not fit shows now. Resolved addresses only ever stand in 8-byte words.
  const rendered = render(new Map(resolvers.map((resolver) => [resolver, resolver])));

  const text = plus(start, textBase(patch, layout));
  return {
    patch,
    object,
    region: { start, layout },
    functions: entries.map(({ name }) => name),
    changes: [
      ...entries.map((entry) => ({
        at: entry.redirectAt,
        expected: entry.present,
        replacement: redirect(
          patch.arch,
          entry.redirectAt,
          plus(text, entry.replacement.offset),
          entry.base.length,
          entry.name,
        ),
        name: entry.name,
      })),
      ...givenBack(process, entries, replaces),
    ],
    forbidden: [
      ...entries.flatMap(({ code }) => code),
      ...supersededCode(entries, below),
      ...replaces.map(codeOf),
    ],
    resolvers,
    unwinders,
    render: resolvers.length === 0 ? () => rendered : render,
    replaces,
    warnings: outOfForce(
      patch,
      entries,
      below.filter((region) => !replaces.includes(region)),
    ),
  };
}

/** Entries of replaced patches that the new one does not redirect: they become the base's again. */
function givenBack(
  process: ProcessView,
  entries: readonly Entry[],
  replaces: readonly Region[],
): EntryChange[] {
  return entriesOf(replaces).flatMap(({ at, name }) => {
    const base = baseBytesAt(at, replaces);
    if (base === undefined || entries.some(({ redirectAt }) => redirectAt === at)) return [];
    const expected = process.memory.read(at, base.length);
    return [{ at, expected, replacement: derivedBytes(at, [], base, process.arch), name }];
  });
}

/** Patches that stay and of whose functions this one brings versions that were made without their fix. */
function outOfForce({ manifest }: Patch, entries: readonly Entry[], stays: readonly Region[]): string[] {
  const changed = new Set<Remote>(entries.map(({ redirectAt }) => redirectAt));
  return stays
    .filter(({ id }) => !manifest.requires.includes(id))
    .flatMap(({ id, functions }) => {
      const names = functions.filter(({ redirectAt }) => changed.has(redirectAt)).map(({ name }) => name);
      return names.length === 0
        ? []
        : [
            `${manifest.id} was not built with --after ${id}: what ${id} fixes in ${names.join(', ')} is out of force while ${manifest.id} is applied`,
          ];
    });
}

/** Bodies in earlier patches of the functions that this patch changes. */
function supersededCode(entries: readonly Entry[], below: readonly Region[]): ForbiddenRange[] {
  return below.flatMap((region) =>
    region.functions
      .filter(({ redirectAt }) => entries.some((entry) => entry.redirectAt === redirectAt))
      .flatMap((fn) => bodiesOf(region, fn.name, fn.replacement, fn.replacementSize, fn.record)),
  );
}

function bodiesOf(
  region: Region,
  name: string,
  start: Remote,
  size: number,
  record: number,
): ForbiddenRange[] {
  const label = `${name} of ${region.id}`;
  const listed = region.manifest?.functions[record];
  const parts = (listed?.replacementParts ?? []).map((part) => {
    const at = plus(start, part.offset - (listed?.replacement.offset ?? 0));
    return { start: at, end: plus(at, part.size), name: label };
  });
  return [{ start, end: plus(start, size), name: label }, ...parts];
}

/** All code of a patch that goes away. */
export const codeOf = (region: Region): ForbiddenRange => ({ ...region.code, name: `patch ${region.id}` });

function requireRequirements(patch: Patch, below: readonly Region[], replaces: readonly Region[]): void {
  const stays = below.filter((region) => !replaces.includes(region));
  const lacking = patch.manifest.requires.filter((id) => !stays.some((region) => region.id === id));
  if (lacking.length === 0) return;
  throw new SutureError(
    'NOT_APPLICABLE',
    `${patch.manifest.id} builds on ${lacking.join(', ')}, which is not applied`,
    {
      remedy: `apply ${lacking.join(', ')} first`,
    },
  );
}

const usesThreadStorage = (patch: Patch): boolean =>
  patch.sections.some(({ relocations }) =>
    relocations.some(({ type }) => patch.arch.relocations.get(type)?.reference.startsWith('tls-') === true),
  );

/** For messages: a region's place and size. */
export const describePlace = ({ region }: ObjectPlan): string =>
  `${region.layout.size / 1024} KiB at ${hex(remote(region.start))}`;
