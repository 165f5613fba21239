/** What patches a process has and whether they are as they should be, seen from outside while it runs. */
import { hex, plus, type Remote } from '../bytes/address.ts';
import { sameBytes } from './commit.ts';
import { isOf } from './plan.ts';
import { type Region, readRegions } from './region.ts';
import { contentDigest, type Digest } from './render.ts';
import { baseBytesAt, derivedBytes, entriesOf, leadsTo, ownerOf, type Standing, standings } from './stack.ts';
import { CONTENT_DIGEST_OFFSET } from './state-block.ts';
import type { ObjectView, ProcessView } from './view.ts';

export interface PatchedFunction {
  readonly name: string;
  /** Its entry in the target. */
  readonly address: Remote;
  readonly replacement: Remote;
  /** Of the replacement, in bytes; 0 where a patch of another tool does not say. */
  readonly replacementSize: number;
  /** Calls of it come to this patch. */
  readonly inForce: boolean;
}

export interface AppliedPatch {
  readonly id: string;
  readonly description: string;
  readonly origin: Region['origin'];
  readonly standing: Standing;
  /** In the store that it came from; 0: none. */
  readonly level: number;
  readonly functions: readonly PatchedFunction[];
  readonly region: { readonly start: Remote; readonly size: number };
}

export interface PatchedObject {
  readonly path: string;
  readonly buildId: string;
  /** The oldest first. */
  readonly patches: readonly AppliedPatch[];
}

/** Objects with patches; a patch whose object is no longer loaded comes under an empty path. */
export function patchedObjects(process: ProcessView): PatchedObject[] {
  const { tryRead } = process.memory;
  const { regions } = readRegions(process.maps(), tryRead, process.arch);
  if (regions.length === 0) return [];
  const standing = standings(regions, tryRead, process.arch);
  const found = new Map<ObjectView | string, PatchedObject & { patches: AppliedPatch[] }>();
  for (const region of regions) {
    const object = process.modules().find((candidate) => isOf(region, candidate));
    const key = object ?? region.buildId;
    const entry = found.get(key) ?? { path: object?.path ?? '', buildId: region.buildId, patches: [] };
    entry.patches.push({
      id: region.id,
      description: region.manifest?.description ?? '',
      origin: region.origin,
      standing: standing.get(region) ?? 'leftover',
      level: region.level ?? 0,
      functions: region.functions.map((fn) => ({
        name: fn.name,
        address: fn.original,
        replacement: fn.replacement,
        replacementSize: fn.replacementSize,
        inForce: leadsTo(fn, tryRead, process.arch),
      })),
      region: { start: region.start, size: Number(region.end - region.start) },
    });
    found.set(key, entry);
  }
  return [...found.values()];
}

export interface Finding {
  readonly severity: 'ok' | 'warning' | 'error';
  /** Stable word for scripts. */
  readonly kind:
    | 'sound'
    | 'broken-region'
    | 'changed-content'
    | 'changed-protection'
    | 'foreign-entry'
    | 'wrong-entry'
    | 'leftover'
    | 'retired'
    | 'detached';
  /** Patch id; empty if it cannot be told. */
  readonly id: string;
  /** Path of the object; empty if it cannot be told. */
  readonly object: string;
  readonly text: string;
}

/** Compares every patch with what it should be. A sound patch gives one finding of severity "ok". */
export function findingsOf(process: ProcessView, sha256: Digest): Finding[] {
  const { tryRead } = process.memory;
  const { arch } = process;
  const { regions, broken } = readRegions(process.maps(), tryRead, arch);
  const standing = standings(regions, tryRead, arch);
  const inForce = regions.filter((region) => ['active', 'buried'].includes(standing.get(region) ?? ''));
  const pathOf = (region: Region): string =>
    process.modules().find((object) => isOf(region, object))?.path ?? '';
  const findings: Finding[] = broken.map(({ start, reason }) => ({
    severity: 'error',
    kind: 'broken-region',
    id: '',
    object: '',
    text: `${hex(start)}: ${reason}`,
  }));
  for (const region of regions) {
    const about = { id: region.id, object: pathOf(region) };
    const own = [
      ...contentFindings(process, region, sha256),
      ...standingFindings(region, standing.get(region)),
    ];
    findings.push(...own.map((finding) => ({ ...finding, ...about })));
    if (own.length > 0) continue;
    const text = `${region.functions.length} functions as they should be`;
    findings.push({ severity: 'ok', kind: 'sound', ...about, text });
  }
  for (const { at, name } of entriesOf(regions)) {
    const base = baseBytesAt(at, regions);
    const present = base && tryRead(at, base.length);
    if (base === undefined || present === undefined) continue;
    if (sameBytes(present, derivedBytes(at, inForce, base, arch))) continue;
    const owner = ownerOf(present, at, regions, arch);
    const region = regions.find((candidate) =>
      candidate.functions.some(({ redirectAt }) => redirectAt === at),
    );
    findings.push({
      severity: 'error',
      kind: owner === undefined && !sameBytes(present, base) ? 'foreign-entry' : 'wrong-entry',
      id: owner?.id ?? region?.id ?? '',
      object: region === undefined ? '' : pathOf(region),
      text: `${name} at ${hex(at)} does not lead where it should`,
    });
  }
  return findings;
}

type Bare = Pick<Finding, 'severity' | 'kind' | 'text'>;

function contentFindings(process: ProcessView, region: Region, sha256: Digest): Bare[] {
  const { state, start } = region;
  if (state === undefined) return [];
  const size = state.codeSize + state.constantsSize;
  const bytes = process.memory.tryRead(start, size);
  if (bytes === undefined)
    return [{ severity: 'error', kind: 'broken-region', text: 'its memory cannot be read' }];
  const undo = {
    offset: region.undoOffset,
    size: (region.manifest?.functions.length ?? 0) * process.arch.jump.size,
  };
  const stored = bytes.slice(CONTENT_DIGEST_OFFSET, CONTENT_DIGEST_OFFSET + 32);
  const findings: Bare[] = [];
  if (!sameBytes(contentDigest(bytes, undo, sha256), stored)) {
    findings.push({ severity: 'error', kind: 'changed-content', text: 'its code or constants were changed' });
  }
  const writable = process.maps().find((m) => m.write && m.start < plus(start, size) && m.end > start);
  if (writable !== undefined) {
    const text = `${hex(writable.start)} should be read-only`;
    findings.push({ severity: 'error', kind: 'changed-protection', text });
  }
  return findings;
}

function standingFindings(region: Region, standing: Standing | undefined): Bare[] {
  if (standing === 'leftover' && region.state?.phase === 'retired') {
    const text = 'taken back; its memory stays while the program refers to it';
    return [{ severity: 'ok', kind: 'retired', text }];
  }
  if (standing === 'leftover') {
    return [
      {
        severity: 'warning',
        kind: 'leftover',
        text: 'nothing leads into it: a killed command left it; suture repair removes it',
      },
    ];
  }
  if (standing === 'detached') {
    const names = region.functions.map(({ name }) => name).join(', ');
    return [{ severity: 'error', kind: 'detached', text: `${names} no longer lead into it` }];
  }
  return [];
}
