import { SutureError } from '../base/errors.ts';
import {
  hex,
  type LoadBias,
  loadBias,
  type Remote,
  remote,
  toRemote,
  type Vaddr,
  vaddr,
} from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import * as C from './constants.ts';
import { Dynamic } from './dynamic.ts';
import { DynamicObject } from './dynamic-object.ts';
import { readHeader } from './header.ts';
import { relativeTypeOf } from './image.ts';
import { Ehdr, Phdr } from './layout.ts';
import { buildIdIn, type Note, notes } from './notes.ts';
import { loadRange, readSegments, type Segment, segmentOf } from './segments.ts';
import type { SymbolTable } from './symbols.ts';

/** Reads the target's memory; undefined where it cannot be read. */
export type ReadRemote = (at: Remote, size: number) => Uint8Array | undefined;

/** Notes of one object larger than this are not notes. */
const LARGEST_NOTES = 1 << 20;

/**
 * An ELF object as it is mapped in a process: what its program headers lead to. It works for the vdso, for deleted and
 * replaced files and without any file. There are no sections and no .symtab in memory. Every read goes to the target
 * when it is first needed; results are kept.
 */
export class MemoryImage extends DynamicObject {
  /** ET_* */
  readonly type: number;
  /** e_machine */
  readonly machine: number;
  readonly entry: Vaddr;
  readonly segments: readonly Segment[];
  /** Difference between target and link-time addresses. */
  readonly bias: LoadBias;
  /** Link-time range of the loaded segments. */
  readonly range: { readonly start: Vaddr; readonly end: Vaddr };
  readonly #read: ReadRemote;
  #dynamic: Dynamic | undefined;
  #symbols: SymbolTable | undefined;
  #sameSymbols: () => SymbolTable | undefined = () => undefined;
  #buildId: string | undefined | null = null;

  private constructor(
    read: ReadRemote,
    readonly loadAddress: Remote,
    readonly name: string,
  ) {
    super();
    this.#read = read;
    const header = readHeader(this.#fetch(loadAddress, Ehdr.size), name);
    this.type = header.type;
    this.machine = header.machine;
    this.entry = vaddr(header.entry);
    this.segments = this.#readSegments(header);
    const first = this.segments.find(
      ({ type, fileOffset, vaddr: at, align }) =>
        // The segment whose first page is the file's first page, where the ELF header was found.
        type === C.PT_LOAD && fileOffset < Math.max(align, 1) && at >= BigInt(fileOffset),
    );
    const range = loadRange(this.segments);
    if (first === undefined || range === undefined) {
      throw new SutureError('BAD_FORMAT', `${name}: no loaded segment holds the ELF header`);
    }
    this.range = range;
    this.bias = loadBias(loadAddress - (first.vaddr - BigInt(first.fileOffset)));
  }

  /** The object whose ELF header is at `loadAddress`. NOT_ELF, UNSUPPORTED or BAD_FORMAT; IO when memory cannot be read. */
  static fromMemory(read: ReadRemote, loadAddress: Remote, name = hex(loadAddress)): MemoryImage {
    return new MemoryImage(read, loadAddress, name);
  }

  /** Range in the target that the loaded segments span, not rounded to pages. */
  get start(): Remote {
    return toRemote(this.range.start, this.bias);
  }
  get end(): Remote {
    return toRemote(this.range.end, this.bias);
  }

  /** GNU build id in lower-case hex. */
  get buildId(): string | undefined {
    if (this.#buildId === null) this.#buildId = buildIdIn(this.notes());
    return this.#buildId;
  }

  /** Notes of PT_NOTE segments that are mapped. */
  *notes(): Generator<Note> {
    for (const { type, vaddr: at, memSize, align } of this.segments) {
      if (
        type !== C.PT_NOTE ||
        memSize > LARGEST_NOTES ||
        segmentOf(this.segments, at, memSize) === undefined
      )
        continue;
      yield* notes(this.readVaddr(at, memSize), align);
    }
  }

  /** .dynsym with versions. Undefined symbols that no relocation names may be missing at its end. */
  get dynamicSymbols(): SymbolTable {
    this.#symbols ??= this.#sameSymbols() ?? this.dynamicSection.symbols;
    return this.#symbols;
  }

  /**
   * Names another source of the same dynamic symbols, say the file, parsed once for all processes that have it mapped:
   * asked at the first use, and passed over if it answers undefined.
   */
  shareSymbols(source: () => SymbolTable | undefined): void {
    this.#sameSymbols = source;
  }

  /** `size` bytes of the target at a link-time address. BAD_FORMAT outside of PT_LOAD, IO when unreadable. */
  readVaddr(at: Vaddr, size: number): Uint8Array {
    if (size < 0 || segmentOf(this.segments, at, size) === undefined) {
      throw new SutureError(
        'BAD_FORMAT',
        `${this.name}: ${size} bytes at ${hex(at)} are in no loaded segment`,
      );
    }
    return this.#fetch(toRemote(at, this.bias), size);
  }

  /** Bytes from `at` to the end of its segment's part that came from the file. */
  readToEnd(at: Vaddr): Uint8Array {
    const segment = segmentOf(this.segments, at);
    const size = segment === undefined ? 1 : segment.fileSize - Number(at - segment.vaddr);
    return this.readVaddr(at, Math.max(1, size));
  }

  /**
   * The link-time address that an address tag stands for. glibc adds the bias in place (ELF_DYNAMIC_RELOCATE) except
   * in read-only dynamic sections such as the vdso's, musl never does: told apart by the range that the value lies in.
   */
  addressOf(value: bigint): Vaddr {
    if (value >= this.start && value < this.end) return vaddr(value - this.bias);
    return vaddr(value);
  }

  protected override get dynamicSection(): Dynamic {
    this.#dynamic ??= this.#readDynamic();
    return this.#dynamic;
  }

  #readSegments(header: ReturnType<typeof readHeader>): readonly Segment[] {
    if (header.phentsize !== Phdr.size || header.phnum === 0 || header.phnum === C.PN_XNUM) {
      throw new SutureError('BAD_FORMAT', `${this.name}: no usable program headers in memory`);
    }
    // Before the segments are known, the headers can only be looked for beside the ELF header, in the same mapping.
    const at = remote(this.loadAddress + header.phoff);
    return readSegments(viewOf(this.#fetch(at, header.phnum * Phdr.size)), 0, header.phnum, this.name);
  }

  #readDynamic(): Dynamic {
    const segment = this.segments.find(({ type }) => type === C.PT_DYNAMIC);
    return new Dynamic({
      what: this.name,
      entries: segment === undefined ? new Uint8Array(0) : this.readVaddr(segment.vaddr, segment.memSize),
      read: (at, size) => this.readVaddr(at, size),
      readToEnd: (at) => this.readToEnd(at),
      address: (value) => this.addressOf(value),
      relativeAddend: (at) =>
        BigInt.asIntN(64, viewOf(this.readVaddr(at, 8)).getBigUint64(0, true) - this.bias),
      relativeType: () => relativeTypeOf(this.machine, this.name),
      symbolCount: undefined,
    });
  }

  #fetch(at: Remote, size: number): Uint8Array {
    const bytes = this.#read(at, size);
    if (bytes === undefined || bytes.length < size) {
      throw new SutureError('IO', `${this.name}: cannot read ${size} bytes of memory at ${hex(at)}`);
    }
    return bytes;
  }
}
