/** A stopped thread's registers as one run of bytes: NT_PRSTATUS, then what the kernel keeps in sets of its own. */
import type { Arch } from '../arch/arch.ts';
import { viewOf } from '../bytes/record.ts';
import { EINVAL, ENODEV, SystemError } from '../sys/errno.ts';
import { getRegset, getRegsetInto, NT_PRSTATUS, setRegset } from '../sys/ptrace.ts';

export interface RegisterSet {
  readonly note: number;
  /** In bytes. */
  readonly size: number;
}

/** Sets that this machine's CPU lacks, by note: it does not grow them. */
const lacking = new Set<number>();
/** struct iovec. */
const IOVEC = 16;

/** The sets in the order in which they lie. */
export const registerSets = ({ registers }: Arch): RegisterSet[] => [
  { note: NT_PRSTATUS, size: registers.prstatusSize },
  ...registers.appended,
];

/** The layout is that of `arch.registers`; zeros stand for a set that the CPU does not have. */
export function readRegisters(arch: Arch, tid: number): Uint8Array {
  const sets = registerSets(arch);
  const bytes = new Uint8Array(sets.reduce((sum, { size }) => sum + size, 0));
  let at = 0;
  for (const { note, size } of sets) {
    const set = note === NT_PRSTATUS ? getRegset(tid, note) : tryRegset(tid, note);
    if (set !== undefined) bytes.set(set.subarray(0, size), at);
    at += size;
  }
  return bytes;
}

/** Fetches the sets to where the iovecs from `iovec` on (an address of ours) point. Throws PROCESS_GONE for a killed thread. */
export function fetchRegisters(sets: readonly RegisterSet[], tid: number, iovec: number): void {
  for (let i = 0; i < sets.length; i++) {
    const { note } = sets[i]!;
    if (note === NT_PRSTATUS) getRegsetInto(tid, note, iovec + i * IOVEC);
    else orLacking(note, () => getRegsetInto(tid, note, iovec + i * IOVEC));
  }
}

/** Replaces NT_PRSTATUS; what is appended is left as it is. */
export function writeRegisters(arch: Arch, tid: number, registers: Uint8Array): void {
  setRegset(tid, NT_PRSTATUS, registers.subarray(0, arch.registers.prstatusSize));
}

export interface ExtendedState {
  readonly note: number;
  readonly bytes: Uint8Array;
}

/** The registers of floats and vectors. */
export function readExtendedState(arch: Arch, tid: number): ExtendedState {
  for (const note of arch.syscall.extendedStateNotes) {
    const bytes = tryRegset(tid, note);
    if (bytes !== undefined) return { note, bytes };
  }
  throw new SystemError(`PTRACE_GETREGSET of ${tid}: no set of extended registers`, EINVAL);
}

/** Whether the CPU checks the thread's returns against a second stack, which knows nothing of one that we lead it to. */
export function hasShadowStack(arch: Arch, tid: number): boolean {
  const note = arch.syscall.shadowStackNote;
  const set = note === undefined ? undefined : tryRegset(tid, note);
  return set !== undefined && set.length >= 8 && viewOf(set).getBigUint64(0, true) !== 0n;
}

const tryRegset = (tid: number, note: number): Uint8Array | undefined =>
  orLacking(note, () => getRegset(tid, note));

/** What `get` yields, or undefined if the CPU has no such set. */
function orLacking<T>(note: number, get: () => T): T | undefined {
  if (lacking.has(note)) return undefined;
  try {
    return get();
  } catch (error) {
    if (!(error instanceof SystemError) || (error.errno !== EINVAL && error.errno !== ENODEV)) throw error;
    lacking.add(note);
    return undefined;
  }
}
