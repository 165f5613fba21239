/**
 * Carrying out the changes of entries: what can be prepared while the target runs, the change itself while it is
 * held, and its undoing when a later one fails.
 */
import type { Arch, SystemCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, plus, type Remote } from '../bytes/address.ts';
import {
  type CommitMethod,
  commitMethod,
  differingPages,
  type EntryChange,
  inverse,
  isDone,
  merged,
  requireExpected,
  sameBytes,
} from './commit.ts';
import { type Occupied, placesFor } from './place.ts';
import { type CallTarget, errorOf, exchangeCall, mapCopy, PROT, unmap } from './remote-memory.ts';
import type { ProcessView } from './view.ts';

export interface TargetAccess {
  readonly read: (at: Remote, size: number) => Uint8Array;
  readonly write: (at: Remote, bytes: Uint8Array) => void;
  readonly call: CallTarget;
}

/** A target whose threads are held. */
export interface HeldAccess extends TargetAccess {
  /** System calls of which the target executes all, or none, even if we die in between; a failure ends them. */
  readonly callTogether: (calls: readonly SystemCall[]) => readonly bigint[];
}

export type PreparedChange =
  | Extract<CommitMethod, { kind: 'write' }>
  | (Extract<CommitMethod, { kind: 'exchange' }> & {
      readonly copy: Remote;
      readonly size: number;
      readonly fate: { moved: boolean };
    });

export interface Preparation {
  readonly process: ProcessView;
  readonly access: TargetAccess;
  readonly lowestAddress: Remote;
  /** Notes on disk what is about to be mapped. */
  readonly intend: (mapping: { readonly start: Remote; readonly size: number }) => void;
  /** Notes how to take it back. */
  readonly noteUndo: (what: string, undo: () => void) => void;
}

/** Prepares the changes, object by object, while the target runs. */
export function prepareChanges(changes: readonly EntryChange[], preparation: Preparation): PreparedChange[] {
  const { process } = preparation;
  const prepared: PreparedChange[] = [];
  const groups = process
    .modules()
    .map((object) => changes.filter(({ at }) => at >= object.start && at < object.end))
    .filter((own) => own.length > 0);
  for (const own of groups) {
    const method = commitMethod(own, process.maps(), process.arch.pageSize, groups.length === 1);
    if (method.kind === 'write') prepared.push(method);
    if (method.kind === 'exchange') prepared.push(prepareCopy(method, preparation, copiesIn(prepared)));
  }
  return prepared;
}

/** What has been mapped since the process was looked at. */
function copiesIn(prepared: readonly PreparedChange[]): Occupied[] {
  return prepared.flatMap((change) =>
    change.kind === 'exchange'
      ? [{ start: change.copy, end: plus(change.copy, change.size), path: change.mapping.path }]
      : [],
  );
}

function prepareCopy(
  method: Extract<CommitMethod, { kind: 'exchange' }>,
  preparation: Preparation,
  copies: readonly Occupied[],
): PreparedChange {
  const { process, access } = preparation;
  const size = Number(method.end - method.start);
  const copy = placesFor({
    size,
    object: { start: method.start, end: method.end, name: method.mapping.path },
    reach: 1n << 46n,
    pageSize: process.arch.pageSize,
    occupied: [...process.maps(), ...copies].sort((a, b) => (a.start < b.start ? -1 : 1)),
    lowest: preparation.lowestAddress,
  })[0]!;
  preparation.intend({ start: copy, size });
  const guarded = process.arch.jump.guardedPages;
  const isGuarded = guarded !== undefined && process.vmFlags(method.start).includes(guarded.vmFlag);
  const protection = PROT.read | PROT.execute | (isGuarded ? guarded.protection : 0n);
  const offset = method.mapping.fileOffset + Number(method.start - method.mapping.start);
  const candidates = method.mapping.path.startsWith('/')
    ? [{ path: method.mapping.path, offset }, undefined]
    : [undefined];
  const mapped = candidates.some((file) => {
    const request = { at: copy, size, protection, file, write: access.write };
    if (!mapCopy(process.arch, access.call, request)) return false;
    // Another file may have the name by now, and end earlier.
    if (file === undefined || process.memory.tryRead(copy, size) !== undefined) return true;
    unmap(process.arch, access.call, copy, size);
    return false;
  });
  if (!mapped) {
    throw new SutureError(
      'NO_ROOM',
      `no copy of ${size / 1024} KiB of ${method.mapping.path} could be mapped`,
      {
        remedy: 'run the command again',
      },
    );
  }
  const fate = { moved: false };
  preparation.noteUndo(`the copy at ${hex(copy)}`, () => {
    if (!fate.moved) unmap(process.arch, access.call, copy, size);
  });
  const wanted = merged(access.read(method.start, size), method.start, method.changes);
  const present = access.read(copy, size);
  for (const { at, bytes } of differingPages(wanted, present, copy, process.arch.pageSize))
    access.write(at, bytes);
  return { ...method, copy, size, fate };
}

/**
 * Makes all changes while every thread of the target is held, or none: when one fails, those before it are taken back.
 * @throws SutureError UNSAFE when somebody else changed an entry, SYSCALL when the target could not exchange its pages.
 */
export function commitChanges(arch: Arch, prepared: readonly PreparedChange[], access: HeldAccess): void {
  const writes = prepared.map((change) => checked(change, access));
  try {
    for (const { at, bytes } of writes) if (bytes.length > 0) access.write(at, bytes);
    exchangeAll(arch, prepared, access);
    for (const { kind, changes, start } of prepared) {
      // A write that was made whole needs no second look, which would cost time of the stop.
      if (kind === 'write' || isDone(changes, access.read)) continue;
      throw new SutureError('UNSAFE', `the change at ${hex(start)} did not take effect`, {
        remedy: 'see whether another tool is changing this program',
      });
    }
  } catch (error) {
    for (const change of prepared) {
      // Also when a call broke off: what was moved must not be unmapped as a copy.
      if (change.kind === 'exchange' && isDone(change.changes, access.read)) change.fate.moved = true;
      takeBack(change.changes, access);
    }
    throw error;
  }
}

const NOTHING = new Uint8Array(0);

/** Only bytes of ours: where another tool wrote in between, its bytes stay. */
function takeBack(changes: readonly EntryChange[], access: TargetAccess): void {
  for (const { at, expected, replacement } of inverse(changes)) {
    if (sameBytes(access.read(at, expected.length), expected)) access.write(at, replacement);
  }
}

/** What is to be written at once; nothing for an exchange. Throws UNSAFE when somebody else changed an entry. */
function checked(
  change: PreparedChange,
  access: TargetAccess,
): { readonly at: Remote; readonly bytes: Uint8Array } {
  const { kind, changes, start, end } = change;
  if (kind === 'exchange') {
    requireExpected(changes, access.read);
    return { at: start, bytes: NOTHING };
  }
  const present = access.read(start, Number(end - start));
  requireExpected(changes, (at, size) => {
    const offset = Number(at - start);
    return present.subarray(offset, offset + size);
  });
  return { at: start, bytes: merged(present, start, changes) };
}

function exchangeAll(arch: Arch, prepared: readonly PreparedChange[], access: HeldAccess): void {
  const exchanges = prepared.filter((change) => change.kind === 'exchange');
  if (exchanges.length === 0) return;
  const results = access.callTogether(
    exchanges.map(({ copy, size, start }) => exchangeCall(arch, copy, size, start)),
  );
  exchanges.forEach((change, i) => {
    const result = results[i];
    change.fate.moved = result !== undefined && errorOf(result) === undefined;
  });
  const failed = exchanges.find(({ fate }) => !fate.moved);
  if (failed === undefined) return;
  const result = results[exchanges.indexOf(failed)];
  throw new SutureError(
    'SYSCALL',
    `the target could not exchange its pages at ${hex(failed.start)}: error ${result === undefined ? 'unknown' : errorOf(result)}`,
  );
}

/** A change of nothing: `bytes`, which stand at `at`, are to stand there. */
export function rehearsedChange(bytes: Uint8Array, at: Remote): PreparedChange {
  const change = { at, expected: bytes, replacement: bytes, name: 'a rehearsal' };
  return { kind: 'write', changes: [change], start: at, end: plus(at, bytes.length) };
}
