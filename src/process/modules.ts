/** The ELF objects that a process executes. */
import { readFileSync, statSync } from 'node:fs';
import { SutureError } from '../base/errors.ts';
import { alignDownBig, alignUpBig, type LoadBias, type Remote, remote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { PF_X, PT_LOAD } from '../elf/constants.ts';
import { ElfImage } from '../elf/image.ts';
import { MemoryImage, type ReadRemote } from '../elf/memory-image.ts';
import { readProcBytes } from '../sys/procfs.ts';
import { type Mapping, mappingAt } from './maps.ts';
import type { TargetMemory } from './memory.ts';

/** getauxval(3), AT_ENTRY: entry point of the program. */
const AT_ENTRY = 9n;
const VDSO = '[vdso]';

/** One ELF object, known by what is mapped: its file may be replaced, deleted or out of reach. */
export class Module {
  /** In the target's mount namespace; "[vdso]" for the kernel's. */
  readonly path: string;
  /** Page-aligned range of the loaded segments. */
  readonly start: Remote;
  readonly end: Remote;
  readonly isVdso: boolean;
  #file: ElfImage | undefined | null = null;

  constructor(
    readonly pid: number,
    /** Mappings within the range, also anonymous ones, in ascending order. */
    readonly mappings: readonly Mapping[],
    readonly image: MemoryImage,
    /** The object holds the program's entry point. */
    readonly isExecutable: boolean,
    range: { readonly start: Remote; readonly end: Remote },
  ) {
    this.path = mappings[0]?.path ?? image.name;
    this.isVdso = this.path === VDSO;
    this.start = range.start;
    this.end = range.end;
    image.shareSymbols(() => this.file?.dynamicSymbols);
  }

  /** Lower-case from memory; undefined if the object has none. */
  get buildId(): string | undefined {
    return this.image.buildId;
  }

  get bias(): LoadBias {
    return this.image.bias;
  }

  /**
   * The file from which the object was mapped, for sections and symbols that memory lacks. Undefined unless a file
   * with the same build id can be opened.
   */
  get file(): ElfImage | undefined {
    if (this.#file === null) this.#file = openFile(this);
    return this.#file;
  }
}

/**
 * Every ELF object of which code is mapped, in ascending order. One of `before` (of the same process) whose mappings are
 * the same still is itself, with all that was read of it.
 */
export function modulesOf(
  pid: number,
  memory: TargetMemory,
  mappings: readonly Mapping[],
  pageSize: number,
  before: readonly Module[] = [],
): Module[] {
  let entry: { readonly at: Remote | undefined } | undefined;
  const modules: Module[] = [];
  for (const mapping of mappings) {
    if (mapping.fileOffset !== 0 || !mapping.read || (mapping.inode === 0 && mapping.path !== VDSO)) continue;
    if (modules.some((module) => module.start <= mapping.start && mapping.start < module.end)) continue;
    const known = before.find((module) => module.start === mapping.start);
    if (known !== undefined && isUnchanged(known, mappings)) {
      modules.push(known);
      continue;
    }
    const image = imageAt(memory, mapping, pageSize);
    if (image === undefined || !isLoaded(image, mappings)) continue;
    const start = remote(alignDownBig(image.start, BigInt(pageSize)));
    const end = remote(alignUpBig(image.end, BigInt(pageSize)));
    const within = mappingsWithin(mappings, start, end);
    entry ??= { at: entryPoint(pid) };
    const isExecutable = entry.at !== undefined && start <= entry.at && entry.at < end;
    modules.push(new Module(pid, within, image, isExecutable, { start, end }));
  }
  return modules;
}

const mappingsWithin = (mappings: readonly Mapping[], start: Remote, end: Remote): Mapping[] =>
  mappings.filter((other) => other.start < end && other.end > start);

function isUnchanged({ mappings, start, end }: Module, now: readonly Mapping[]): boolean {
  const within = mappingsWithin(now, start, end);
  return within.length === mappings.length && within.every((mapping, i) => mapping === mappings[i]);
}

const isElf = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
  bytes !== undefined && bytes[0] === 0x7f && bytes[1] === 0x45 && bytes[2] === 0x4c && bytes[3] === 0x46;

/** A file that begins like ELF but is not sound, or of another CPU, is no object of this process. */
function imageAt(memory: TargetMemory, { start, path }: Mapping, pageSize: number): MemoryImage | undefined {
  // Headers and, mostly, notes stand on one page: it is read once, and forgotten before anything in it can change.
  let head = memory.tryRead(start, pageSize);
  if (!isElf(head)) return undefined;
  const read: ReadRemote = (at, size) => {
    const offset = Number(at - start);
    const isInHead = head !== undefined && offset >= 0 && offset + size <= head.length;
    return isInHead ? head?.subarray(offset, offset + size) : memory.tryRead(at, size);
  };
  const image = unlessUnsound(() => MemoryImage.fromMemory(read, start, path));
  unlessUnsound(() => image?.buildId);
  head = undefined;
  return image;
}

function unlessUnsound<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (error instanceof SutureError && error.code !== 'INTERNAL') return undefined;
    throw error;
  }
}

/** An ELF file that is mapped only to be read, say by a debugger, has no executable memory where its code would be. */
function isLoaded(image: MemoryImage, mappings: readonly Mapping[]): boolean {
  return image.segments.some(
    ({ type, flags, vaddr }) =>
      type === PT_LOAD && (flags & PF_X) !== 0 && mappingAt(mappings, vaddr + image.bias)?.execute === true,
  );
}

/** Where the program begins in memory; undefined if the process is gone. */
export function entryPoint(pid: number): Remote | undefined {
  const vector = readProcBytes(`${pid}/auxv`);
  if (vector === undefined) return undefined;
  const view = viewOf(vector);
  for (let at = 0; at + 16 <= vector.length; at += 16) {
    if (view.getBigUint64(at, true) === AT_ENTRY) return remote(view.getBigUint64(at + 8, true));
  }
  return undefined;
}

/** Parsed files, shared by all targets that map them: a library is read once for a hundred processes. */
const parsed = new Map<string, ElfImage>();

function openFile(module: Module): ElfImage | undefined {
  const { buildId, pid, path } = module;
  const first = module.mappings[0];
  if (buildId === undefined || first === undefined || module.isVdso) return undefined;
  // The name as the target sees it; if another file has that name by now, the one that is mapped (needs CAP_SYS_ADMIN).
  const range = `${first.start.toString(16)}-${first.end.toString(16)}`;
  for (const name of [`/proc/${pid}/root${path}`, `/proc/${pid}/map_files/${range}`]) {
    const file = parseOnce(name, path, buildId);
    if (file?.buildId() === buildId) return file;
  }
  return undefined;
}

function parseOnce(name: string, path: string, buildId: string): ElfImage | undefined {
  try {
    const { dev, ino, size, mtimeMs } = statSync(name);
    const key = [buildId, dev, ino, size, mtimeMs].join(' ');
    const known = parsed.get(key);
    if (known !== undefined) return known;
    const file = ElfImage.parse(new Uint8Array(readFileSync(name)), path);
    if (file.buildId() === buildId) parsed.set(key, file);
    return file;
  } catch {
    return undefined; // no such file, no permission, or not ELF any more: the next name
  }
}
