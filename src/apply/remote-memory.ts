/** Memory of the target, mapped and unmapped by system calls that one of its own threads executes. */
import type { Arch, SystemCall, TargetCall } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex, plus, type Remote, remote } from '../bytes/address.ts';

/** Executes calls in order and returns their results; those after one of which `goOn` says no are not made. */
export type CallTarget = (
  calls: readonly TargetCall[],
  goOn?: (result: bigint, index: number) => boolean,
) => readonly bigint[];

// <sys/mman.h>, the same on every CPU that Linux calls generic.
export const PROT = { none: 0n, read: 1n, write: 2n, execute: 4n } as const;
const MAP_PRIVATE = 0x02n;
const MAP_FIXED = 0x10n;
const MAP_ANONYMOUS = 0x20n;
const MAP_FIXED_NOREPLACE = 0x10_0000n;
const MREMAP_MAYMOVE = 1n;
const MREMAP_FIXED = 2n;
const AT_FDCWD = -100n;
const O_CLOEXEC = 0o2000000n;
const O_APPEND = 0o2000n;
const O_NONBLOCK = 0o4000n;
const O_SYNC = 0o4010000n;
/**
 * With these a file is opened that is only read. None makes a difference then, and no program asks for all of them: so
 * a descriptor that a killed command left open in the target is known among the program's own.
 */
export const OWN_OPEN = O_APPEND | O_NONBLOCK | O_SYNC | O_CLOEXEC;
const NO_FILE = -1n;

const EEXIST = 17;
const ENOMEM = 12;
const HIGHEST_ERROR = 4095n;

/** A part of a region with the protection that it keeps. */
export interface Part {
  readonly start: Remote;
  readonly size: number;
  readonly protection: bigint;
}

/** The number of the error that a system call returned, or undefined for a result. */
export function errorOf(result: bigint): number | undefined {
  const signed = BigInt.asIntN(64, result);
  return signed < 0n && signed >= -HIGHEST_ERROR ? Number(-signed) : undefined;
}

function checked(result: bigint | undefined, what: string): bigint {
  const error = result === undefined ? 0 : errorOf(result);
  if (result !== undefined && error === undefined) return result;
  throw new SutureError('SYSCALL', `the target could not ${what}: error ${error}`, {
    remedy:
      error === ENOMEM
        ? 'the process is at its memory limit (RLIMIT_AS, cgroup or vm.max_map_count)'
        : 'see whether a seccomp filter or a security module forbids it',
  });
}

/**
 * Maps a region: all of it in one step, so that whatever happens in between the whole range is ours, with the protection
 * of its first part; then each further part with its own. Returns false if something has come to lie there meanwhile.
 */
export function mapRegion(
  arch: Arch,
  call: CallTarget,
  start: Remote,
  size: number,
  parts: readonly Part[],
): boolean {
  const { mmap } = arch.syscall.numbers;
  const [first] = parts;
  const protection = first?.start === start ? first.protection : PROT.none;
  const reserve: TargetCall = {
    kind: 'syscall',
    number: mmap,
    args: [start, BigInt(size), protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, NO_FILE, 0n],
  };
  const others = parts.filter((part) => part.start !== start);
  const inParts = others.map(
    (part): TargetCall => ({
      kind: 'syscall',
      number: mmap,
      args: [
        part.start,
        BigInt(part.size),
        part.protection,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
        NO_FILE,
        0n,
      ],
    }),
  );
  // The parts take the place of what is there: not before the range is known to be ours.
  const [reserved, ...results] = call([reserve, ...inParts], (result, i) =>
    i === 0 ? result === start : errorOf(result) === undefined,
  );
  if (reserved !== undefined && errorOf(reserved) === EEXIST) return false;
  checked(reserved, `map ${size} bytes at ${hex(start)}`);
  // Kernels before 4.17 take MAP_FIXED_NOREPLACE for a mere hint.
  if (reserved !== start) {
    unmap(arch, call, remote(reserved ?? 0n), size);
    return false;
  }
  try {
    others.forEach((part, i) => {
      checked(results[i], `map ${part.size} bytes at ${hex(part.start)} with protection ${part.protection}`);
    });
  } catch (error) {
    unmap(arch, call, start, size);
    throw error;
  }
  return true;
}

export const unmapCall = (arch: Arch, start: Remote, size: number): TargetCall => ({
  kind: 'syscall',
  number: arch.syscall.numbers.munmap,
  args: [start, BigInt(size)],
});

export function unmap(arch: Arch, call: CallTarget, start: Remote, size: number): void {
  checked(call([unmapCall(arch, start, size)])[0], `unmap ${size} bytes at ${hex(start)}`);
}

/** The one call that puts a prepared copy of pages in the originals' place. */
export const exchangeCall = (arch: Arch, copy: Remote, size: number, original: Remote): SystemCall => ({
  kind: 'syscall',
  number: arch.syscall.numbers.mremap,
  args: [copy, BigInt(size), BigInt(size), MREMAP_MAYMOVE | MREMAP_FIXED, original],
});

export const closeCall = (arch: Arch, descriptor: number | bigint): TargetCall => ({
  kind: 'syscall',
  number: arch.syscall.numbers.close,
  args: [BigInt(descriptor)],
});

export interface CopyRequest {
  readonly at: Remote;
  readonly size: number;
  /** Of the pages that it is to replace. */
  readonly protection: bigint;
  /** The file of the original pages as the target names it, or undefined for an anonymous copy. */
  readonly file: { readonly path: string; readonly offset: number } | undefined;
  /** Writes into the target's memory. */
  readonly write: (at: Remote, bytes: Uint8Array) => void;
}

/**
 * Maps a private range at `at`: of the file, so that the mapping keeps its name, or without one. False if the
 * target cannot open the file, or something has come to lie there.
 */
export function mapCopy(arch: Arch, call: CallTarget, request: CopyRequest): boolean {
  const { numbers } = arch.syscall;
  const { at, size, file, protection } = request;
  if (file === undefined) {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    const args = [at, BigInt(size), protection, flags, NO_FILE, 0n];
    return isAt(arch, call, call([{ kind: 'syscall', number: numbers.mmap, args }])[0], at, size);
  }
  // The path is handed over in the range that the copy will take. Not writable for the program, so that what a killed
  // command leaves can be told from the program's own fresh memory.
  const scratch = [
    at,
    BigInt(size),
    protection,
    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
    NO_FILE,
    0n,
  ];
  if (!isAt(arch, call, call([{ kind: 'syscall', number: numbers.mmap, args: scratch }])[0], at, size))
    return false;
  request.write(at, cString(file.path, size));
  const opened =
    call([{ kind: 'syscall', number: numbers.openat, args: [AT_FDCWD, at, OWN_OPEN, 0n] }])[0] ?? -1n;
  if (errorOf(opened) !== undefined) {
    unmap(arch, call, at, size);
    return false;
  }
  const mapped = [at, BigInt(size), protection, MAP_PRIVATE | MAP_FIXED, opened, BigInt(file.offset)];
  const [result] = call([{ kind: 'syscall', number: numbers.mmap, args: mapped }, closeCall(arch, opened)]);
  if (result === at) return true;
  unmap(arch, call, at, size);
  return false;
}

function isAt(arch: Arch, call: CallTarget, result: bigint | undefined, at: Remote, size: number): boolean {
  if (result === at) return true;
  if (result !== undefined && errorOf(result) === undefined) unmap(arch, call, remote(result), size);
  return false;
}

function cString(text: string, room: number): Uint8Array {
  // Paths come from /proc as one character a byte.
  const bytes = Uint8Array.from(`${text}\0`, (character) => character.charCodeAt(0) & 0xff);
  if (bytes.length <= room) return bytes;
  throw new SutureError('UNSUPPORTED', `the path ${text} is too long to hand over`);
}

/** The three parts of a region, those without size left out. */
export function regionParts(
  start: Remote,
  layout: { readonly codeSize: number; readonly constantsSize: number; readonly dataSize: number },
): Part[] {
  const constants = plus(start, layout.codeSize);
  return [
    { start, size: layout.codeSize, protection: PROT.read | PROT.execute },
    { start: constants, size: layout.constantsSize, protection: PROT.read },
    {
      start: plus(constants, layout.constantsSize),
      size: layout.dataSize,
      protection: PROT.read | PROT.write,
    },
  ].filter(({ size }) => size > 0);
}
