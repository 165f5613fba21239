/**
 * Carrying out the changes of entries: what can be prepared while the target runs, the change itself while it is
 * held, and its undoing when a later one fails.
 */
import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, type Remote } from '../bytes/address.ts';
import {
  type CommitMethod,
  commitMethod,
  differingPages,
  type EntryChange,
  inverse,
  isDone,
  merged,
  requireExpected,
} from './commit.ts';
import { placesFor } from './place.ts';
import { type CallTarget, errorOf, exchangeCall, mapCopy, unmap } from './remote-memory.ts';
import type { ProcessView } from './view.ts';

export interface TargetAccess {
  readonly read: (at: Remote, size: number) => Uint8Array;
  readonly write: (at: Remote, bytes: Uint8Array) => void;
  readonly call: CallTarget;
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
  for (const object of process.modules()) {
    const own = changes.filter(({ at }) => at >= object.start && at < object.end);
    const method = commitMethod(own, process.maps(), process.arch.pageSize);
    if (method.kind === 'write') prepared.push(method);
    if (method.kind === 'exchange') prepared.push(prepareCopy(method, preparation));
  }
  return prepared;
}

function prepareCopy(
  method: Extract<CommitMethod, { kind: 'exchange' }>,
  preparation: Preparation,
): PreparedChange {
  const { process, access } = preparation;
  const size = Number(method.end - method.start);
  const copy = placesFor({
    size,
    object: { start: method.start, end: method.end, name: method.mapping.path },
    reach: 1n << 46n,
    pageSize: process.arch.pageSize,
    occupied: process.maps(),
    lowest: preparation.lowestAddress,
  })[0]!;
  preparation.intend({ start: copy, size });
  const offset = method.mapping.fileOffset + Number(method.start - method.mapping.start);
  const candidates = method.mapping.path.startsWith('/')
    ? [{ path: method.mapping.path, offset }, undefined]
    : [undefined];
  const mapped = candidates.some((file) =>
    mapCopy(process.arch, access.call, { at: copy, size, file, write: access.write }),
  );
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
export function commitChanges(arch: Arch, prepared: readonly PreparedChange[], access: TargetAccess): void {
  for (const { changes } of prepared) requireExpected(changes, access.read);
  const done: PreparedChange[] = [];
  try {
    for (const change of prepared) {
      done.push(change);
      if (change.kind === 'write') writeOnce(change, access);
      else exchange(arch, change, access);
      if (!isDone(change.changes, access.read)) {
        throw new SutureError('UNSAFE', `the change at ${hex(change.start)} did not take effect`, {
          remedy: 'see whether another tool is changing this program',
        });
      }
    }
  } catch (error) {
    for (const change of done.reverse()) {
      for (const { at, replacement } of inverse(change.changes)) access.write(at, replacement);
    }
    throw error;
  }
}

function writeOnce(
  { changes, start, end }: Extract<PreparedChange, { kind: 'write' }>,
  access: TargetAccess,
): void {
  access.write(start, merged(access.read(start, Number(end - start)), start, changes));
}

function exchange(
  arch: Arch,
  change: Extract<PreparedChange, { kind: 'exchange' }>,
  access: TargetAccess,
): void {
  const result = access.call([exchangeCall(arch, change.copy, change.size, change.start)])[0];
  const error = result === undefined ? 0 : errorOf(result);
  if (error !== undefined) {
    throw new SutureError(
      'SYSCALL',
      `the target could not exchange its pages at ${hex(change.start)}: error ${error}`,
    );
  }
  change.fate.moved = true;
}

/**
 * Carries out the changes on a copy of the bytes that they concern, so that the code has been run once before the
 * target is held.
 */
export function rehearseCommit(arch: Arch, prepared: readonly PreparedChange[], access: TargetAccess): void {
  for (const change of prepared) {
    const { start, end } = change;
    const bytes = access.read(start, Number(end - start));
    const part = (at: Remote, size: number) => bytes.subarray(Number(at - start), Number(at - start) + size);
    const method = { kind: 'write' as const, changes: change.changes, start, end };
    commitChanges(arch, [method], {
      read: (at, size) => part(at, size).slice(),
      write: (at, written) => part(at, written.length).set(written),
      call: () => [],
    });
  }
}
