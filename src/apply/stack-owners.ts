/**
 * Stacks that a program allots itself, and the objects that own them: each holds where its stack is, how large, and,
 * beside that, the context that is suspended on it. Such programs keep no list of these objects, but an object is known
 * by the address of its stack, and its context by a stack pointer that leads into the same stack.
 *
 * Looking for objects takes a walk through the program's data and is done while it runs; in the stop only what has been
 * found is read again.
 */
import type { Arch } from '../arch/arch.ts';
import { hex, plus, type Remote, remote, toRemote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { WORD, wordsWithUpperHalf } from '../bytes/words.ts';
import { RegisterFile } from '../unwind/frame.ts';
import type { DescribedContext } from './contexts.ts';
import { StackLike } from './stack-like.ts';
import type { MappingView, ObjectView, RangeReader, TryRead } from './view.ts';

/** How a program's objects own stacks. Offsets are from the word that holds the address of the stack. */
interface Ownership {
  /** For messages. */
  readonly name: string;
  /** The function that switches: a program that has it is of this kind. */
  readonly switches: string;
  /** Programs of this kind whose symbols were stripped. */
  readonly programs: RegExp;
  /** Where contexts begin. */
  readonly bottom: readonly string[];
  readonly size: number;
  readonly jumpBuffer: number;
}

const KNOWN: readonly Ownership[] = [
  {
    // util/coroutine-ucontext.c: CoroutineUContext has stack, stack_size and env side by side since 2012.
    name: 'QEMU coroutine',
    switches: 'qemu_coroutine_switch',
    programs: /^qemu-(system|storage|kvm|nbd|img|io)/,
    bottom: ['coroutine_trampoline'],
    size: 8,
    jumpBuffer: 16,
  },
];

interface Range {
  readonly start: Remote;
  readonly end: Remote;
}

/** A kind of ownership that the process has. */
interface Present {
  readonly ownership: Ownership;
  readonly bottom: readonly Range[];
  /** Code in which a suspended context may be: the switching function, or all code of the program. */
  readonly code: readonly Range[];
}

/** Where an object may be: the word that held the address of a stack. */
interface Owner {
  readonly at: Remote;
  readonly present: Present;
}

interface Saved {
  readonly sp: Remote;
  /** Of the stack. */
  readonly end: Remote;
  readonly pc: Remote;
  /** By register. */
  readonly values: ReadonlyMap<string, bigint>;
}

/** Bytes of the program's data that are searched for owners at most. */
const SEARCH_LIMIT = 512n << 20n;
/** Bytes beyond which a mapping that is not the heap holds no small objects: a C library's arenas are no larger. */
const LARGEST_MAPPING = 64n << 20n;
const HEAP = '[heap]';
const CHUNK = 1 << 20;
/** Bytes of a half word. */
const HALF = 4;

export class StackOwners {
  readonly #arch: Arch;
  readonly #present: readonly Present[];
  /** By the start of the mapping that is the stack. */
  readonly #found = new Map<bigint, readonly Owner[]>();
  #isMissed = false;

  constructor(arch: Arch, objects: readonly ObjectView[]) {
    this.#arch = arch;
    const { jumpBuffer, pointerGuard } = arch.unwind;
    const program = objects.find(({ isExecutable }) => isExecutable);
    this.#present =
      program === undefined || jumpBuffer === undefined || pointerGuard === undefined
        ? []
        : KNOWN.flatMap((ownership) => presenceIn(program, ownership) ?? []);
  }

  /**
   * The part of a stack that a context suspended on it uses; undefined if the stack's owner is not known. It may end
   * below the mapping: the kernel makes one of neighbours that are alike.
   * @param threadPointer of any thread: the word that hides pointers is the same for all
   */
  inUse(stack: MappingView, threadPointer: bigint, tryRead: TryRead): Range | undefined {
    let used: Range | undefined;
    for (const owner of this.#found.get(stack.start) ?? []) {
      const saved = this.#saved(owner, stack, threadPointer, tryRead);
      if (saved === undefined) continue;
      const { sp: start, end } = saved;
      used = {
        start: used === undefined || start < used.start ? start : used.start,
        end: used === undefined || end > used.end ? end : used.end,
      };
    }
    return used;
  }

  /**
   * `inUse` of many stacks, read together: where each begins and ends, -1 for those whose owner is not known. The
   * reader is cleared.
   * @param hiding see `secret`
   */
  inUseOfAll(
    pid: number,
    stacks: readonly MappingView[],
    hiding: bigint | undefined,
    reader: RangeReader,
  ): { readonly starts: Float64Array; readonly ends: Float64Array } {
    const starts = new Float64Array(stacks.length).fill(-1);
    const ends = new Float64Array(stacks.length).fill(-1);
    if (this.#found.size === 0 || hiding === undefined) return { starts, ends };
    const asked: { readonly index: number; readonly owner: Owner }[] = [];
    reader.clear();
    const look = (): void => {
      const view = new DataView(reader.halves.buffer);
      reader.readEach(pid, (range, from, _, isWhole) => {
        if (!isWhole) return;
        const { index, owner } = asked[range]!;
        const used = this.#usedBy(view, from * HALF, owner.present, stacks[index]!, hiding);
        if (used === undefined) return;
        const start = Number(used.start);
        if (starts[index]! < 0 || start < starts[index]!) starts[index] = start;
        ends[index] = Math.max(ends[index]!, Number(used.end));
      });
      reader.clear();
      asked.length = 0;
    };
    for (let index = 0; index < stacks.length; index++) {
      for (const owner of this.#found.get(stacks[index]!.start) ?? []) {
        const size = this.#sizeOf(owner.present);
        if (!reader.add(Number(owner.at), size)) {
          look();
          reader.add(Number(owner.at), size);
        }
        asked.push({ index, owner });
      }
    }
    look();
    return { starts, ends };
  }

  /** Whether the owner of a stack was asked for in vain since the last search. */
  get isMissed(): boolean {
    return this.#isMissed;
  }

  /** The contexts suspended on a stack; none if its owner is not known. */
  contextsOn(stack: MappingView, threadPointer: bigint, tryRead: TryRead): DescribedContext[] {
    const contexts = this.#contextsOn(stack, threadPointer, tryRead);
    if (contexts.length === 0) this.#isMissed = true;
    return contexts;
  }

  #contextsOn(stack: MappingView, threadPointer: bigint, tryRead: TryRead): DescribedContext[] {
    return (this.#found.get(stack.start) ?? []).flatMap((owner) => {
      const saved = this.#saved(owner, stack, threadPointer, tryRead);
      if (saved === undefined) return [];
      const { name } = owner.present.ownership;
      const what = `the ${name} whose stack is at ${hex(stack.start)}`;
      return [{ what, registers: this.#registers(saved), bottom: owner.present.bottom }];
    });
  }

  /**
   * Looks for the owners of all stacks that no thread is on. Not to be called while the target is held: it reads the
   * program's data.
   */
  search(
    maps: () => readonly MappingView[],
    residentRuns: (start: Remote, end: Remote) => readonly Range[],
    tryRead: TryRead,
  ): void {
    if (this.#present.length === 0) return;
    this.#found.clear();
    this.#isMissed = false;
    const mappings = maps();
    const stacks = new Map<bigint, MappingView>();
    for (const stack of new StackLike(mappings).untouched())
      for (const base of basesOf(stack, this.#arch.pageSize)) stacks.set(base, stack);
    const halves = [...new Set([...stacks.keys()].map((base) => Number(base >> 32n)))];
    for (const { start, end } of dataOf(mappings, residentRuns)) {
      for (let from: bigint = start; from < end; from += BigInt(CHUNK)) {
        const size = Number(end - from < BigInt(CHUNK) ? end - from : BigInt(CHUNK));
        const bytes = tryRead(remote(from), size);
        if (bytes === undefined) continue;
        const view = viewOf(bytes);
        for (const offset of wordsWithUpperHalf(bytes, halves)) {
          const stack = stacks.get(view.getBigUint64(offset, true));
          if (stack === undefined) continue;
          const owners = this.#present.map((present) => ({ at: plus(remote(from), offset), present }));
          this.#found.set(stack.start, [...(this.#found.get(stack.start) ?? []), ...owners]);
        }
      }
    }
  }

  /** What an owner has saved; undefined if it is no owner of this stack (any more). */
  #saved(
    { at, present }: Owner,
    stack: MappingView,
    threadPointer: bigint,
    tryRead: TryRead,
  ): Saved | undefined {
    const { jumpBuffer } = this.#arch.unwind;
    const bytes = tryRead(at, this.#sizeOf(present));
    const secret = this.secret(threadPointer, tryRead);
    if (bytes === undefined || secret === undefined || jumpBuffer === undefined) return undefined;
    const view = viewOf(bytes);
    const used = this.#usedBy(view, 0, present, stack, secret);
    if (used === undefined) return undefined;
    const values = new Map(
      Object.entries(jumpBuffer.saved).map(([name, offset]) => [
        name,
        this.#value(view, present.ownership.jumpBuffer + offset, name, secret),
      ]),
    );
    return { sp: used.start, end: used.end, pc: remote(values.get('pc') ?? 0n), values };
  }

  /** The word that hides saved pointers, the same in all threads; undefined if it cannot be read, or none does. */
  secret(threadPointer: bigint, tryRead: TryRead): bigint | undefined {
    const { pointerGuard } = this.#arch.unwind;
    const bytes = pointerGuard && tryRead(remote(threadPointer + BigInt(pointerGuard.offset)), WORD);
    return bytes && viewOf(bytes).getBigUint64(0, true);
  }

  /** Bytes of an owner that matter. */
  #sizeOf({ ownership }: Present): number {
    return ownership.jumpBuffer + (this.#arch.unwind.jumpBuffer?.size ?? 0);
  }

  /** A saved register. */
  #value(view: DataView, at: number, name: string, secret: bigint): bigint {
    const { jumpBuffer, pointerGuard } = this.#arch.unwind;
    const word = view.getBigUint64(at, true);
    return jumpBuffer?.mangled.includes(name) === true ? pointerGuard!.unmangle(word, secret) : word;
  }

  /** What the context uses of this stack that the owner at `at` of `view` holds; undefined if that is no owner of it. */
  #usedBy(
    view: DataView,
    at: number,
    { ownership, code }: Present,
    stack: MappingView,
    secret: bigint,
  ): Range | undefined {
    const { jumpBuffer } = this.#arch.unwind;
    if (jumpBuffer === undefined) return undefined;
    const base = view.getBigUint64(at, true);
    const end = base + view.getBigUint64(at + ownership.size, true);
    const isBase = base === stack.start || base === stack.start - BigInt(this.#arch.pageSize);
    if (!isBase || end <= stack.start || end > stack.end) return undefined;
    const saved = at + ownership.jumpBuffer;
    const sp = this.#value(view, saved + jumpBuffer.stackPointer, 'sp', secret);
    if (sp < stack.start || sp >= end) return undefined;
    const pc = this.#value(view, saved + (jumpBuffer.saved.pc ?? 0), 'pc', secret);
    if (!code.some((range) => pc >= range.start && pc < range.end)) return undefined;
    return { start: remote(sp), end: remote(end) };
  }

  #registers({ sp, pc, values }: Saved): RegisterFile {
    const { dwarf, names, dwarfSp, dwarfReturnAddress } = this.#arch.registers;
    const registers = new RegisterFile(dwarf.length, pc);
    for (const [name, value] of values) if (name !== 'pc') registers.set(names.indexOf(name), value);
    registers.set(dwarfReturnAddress, pc);
    registers.set(dwarfSp, sp);
    return registers;
  }
}

/** The address of a stack may be its own, or that of the guard page that was allotted with it. */
const basesOf = (stack: MappingView, pageSize: number): bigint[] => [
  stack.start,
  stack.start - BigInt(pageSize),
];

function presenceIn(program: ObjectView, ownership: Ownership): Present | undefined {
  const rangeOf = (name: string): Range[] => {
    const symbol = program.file?.symbols.named(name).find(({ shndx, size }) => shndx !== 0 && size > 0);
    if (symbol === undefined) return [];
    const start = toRemote(symbol.value, program.bias);
    return [{ start, end: plus(start, symbol.size) }];
  };
  const bottom = ownership.bottom.flatMap(rangeOf);
  const code = [...rangeOf(ownership.switches), ...bottom];
  if (code.length > 0) return { ownership, bottom, code };
  const isStripped = (program.file?.symbols.length ?? 0) === 0;
  const name = program.path.slice(program.path.lastIndexOf('/') + 1);
  if (!isStripped || !ownership.programs.test(name)) return undefined;
  return { ownership, bottom, code: [{ start: program.start, end: program.end }] };
}

/**
 * The parts of private data in which an owner may be. A hypervisor's largest mapping, its guest's memory, holds none. If the rest cannot be searched as a whole, an object that is long gone might pass for an owner, so that
 * nothing is searched.
 */
function dataOf(
  maps: readonly MappingView[],
  residentRuns: (start: Remote, end: Remote) => readonly Range[],
): Range[] {
  const chosen: Range[] = [];
  let total = 0n;
  for (const { start, end, read, write, execute, shared, path } of maps) {
    if (!read || !write || execute || shared) continue;
    const runs = residentRuns(start, end);
    const size = runs.reduce((sum, run) => sum + (run.end - run.start), 0n);
    if (size > LARGEST_MAPPING && path !== HEAP) continue;
    total += size;
    if (total > SEARCH_LIMIT) return [];
    chosen.push(...runs);
  }
  return chosen;
}
