/**
 * What the pure half of this folder needs to know of a process. A live target has this shape, and so has a test's
 * hand-made one.
 */
import type { Arch } from '../arch/arch.ts';
import type { LoadBias, Remote, Vaddr } from '../bytes/address.ts';
import type { Mapping } from '../process/maps.ts';

/** One line of /proc/PID/maps. */
export type MappingView = Pick<
  Mapping,
  'start' | 'end' | 'read' | 'write' | 'execute' | 'shared' | 'fileOffset' | 'path'
>;

/** `undefined` where nothing is mapped. */
export type TryRead = (at: Remote, size: number) => Uint8Array | undefined;

/** Many ranges of a process, read together (sys/memory.ts). */
export interface RangeReader {
  /** What was read, as 32-bit halves of words, the lower first. */
  readonly halves: Uint32Array;
  /** False, and nothing noted, when there is no room for another range; `size` a multiple of 8. */
  add(at: number, size: number): boolean;
  clear(): void;
  /** Reads all ranges and visits each: where its words lie in `halves`, and whether all of it could be read. */
  readEach(pid: number, visit: (index: number, from: number, to: number, isWhole: boolean) => void): void;
}

export interface SymbolView {
  readonly name: string;
  readonly value: Vaddr;
  readonly size: number;
  readonly type: number;
  readonly bind: number;
  readonly shndx: number;
  /** Name of the version, of a definition or of the need. */
  readonly version?: string | undefined;
  /** Defined, but not the default version of its name. */
  readonly versionHidden?: boolean | undefined;
}

export interface DynamicRelocationView {
  readonly at: Vaddr;
  readonly type: number;
  readonly symbol?: SymbolView | undefined;
  readonly addend: bigint;
}

export interface SegmentView {
  readonly type: number;
  readonly flags: number;
  readonly vaddr: Vaddr;
  readonly memSize: number;
  readonly align: number;
}

/** An ELF object as it lies in memory. */
export interface ImageView {
  readonly segments: readonly SegmentView[];
  readonly dynamicSymbols: { named(name: string): readonly SymbolView[] };
  dynamic(): ReadonlyMap<number, readonly bigint[]>;
  needed(): readonly string[];
  soname(): string | undefined;
  /** All, or those of the given types. */
  dynamicRelocations(types?: ReadonlySet<number>): readonly DynamicRelocationView[];
}

/** An ELF object of a process. */
export interface ObjectView {
  readonly path: string;
  /** Lower-case hexadecimal. */
  readonly buildId: string | undefined;
  readonly bias: LoadBias;
  readonly start: Remote;
  readonly end: Remote;
  readonly image: ImageView;
  /** The file, if it can be read: it has symbols that memory lacks. */
  readonly file?:
    | { readonly symbols: { readonly length: number; named(name: string): readonly SymbolView[] } }
    | undefined;
  readonly isVdso: boolean;
  readonly isExecutable: boolean;
}

/** A process, looked at from outside while it runs. */
export interface ProcessView {
  readonly pid: number;
  readonly arch: Arch;
  maps(): readonly MappingView[];
  modules(): readonly ObjectView[];
  /** The VmFlags of the mapping at `at`; proc(5), /proc/pid/smaps. */
  vmFlags(at: Remote): readonly string[];
  readonly memory: {
    read(at: Remote, size: number): Uint8Array;
    tryRead: TryRead;
  };
}
