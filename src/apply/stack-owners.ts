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
import type { MappingView, ObjectView, TryRead } from './view.ts';

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
   * The lowest word of a stack that a context suspended on it uses. undefined if the stack's owner is not known.
   * @param threadPointer of any thread: the word that hides pointers is the same for all
   */
  liveFrom(stack: MappingView, threadPointer: bigint, tryRead: TryRead): Remote | undefined {
    let lowest: Remote | undefined;
    for (const owner of this.#found.get(stack.start) ?? []) {
      const sp = this.#saved(owner, stack, threadPointer, tryRead)?.sp;
      if (sp !== undefined && (lowest === undefined || sp < lowest)) lowest = sp;
    }
    return lowest;
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
    maps: readonly MappingView[],
    residentRuns: (start: Remote, end: Remote) => readonly Range[],
    tryRead: TryRead,
  ): void {
    if (this.#present.length === 0) return;
    this.#found.clear();
    this.#isMissed = false;
    const stacks = new Map<bigint, MappingView>();
    for (const stack of new StackLike(maps).untouched())
      for (const base of basesOf(stack, this.#arch.pageSize)) stacks.set(base, stack);
    const halves = [...new Set([...stacks.keys()].map((base) => Number(base >> 32n)))];
    for (const { start, end } of dataOf(maps, residentRuns)) {
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
    { at, present: { ownership, code } }: Owner,
    stack: MappingView,
    threadPointer: bigint,
    tryRead: TryRead,
  ): Saved | undefined {
    const { jumpBuffer, pointerGuard } = this.#arch.unwind;
    if (jumpBuffer === undefined || pointerGuard === undefined) return undefined;
    const bytes = tryRead(at, ownership.jumpBuffer + jumpBuffer.size);
    const guard = tryRead(remote(threadPointer + BigInt(pointerGuard.offset)), WORD);
    if (bytes === undefined || guard === undefined) return undefined;
    const view = viewOf(bytes);
    const base = view.getBigUint64(0, true);
    const end = base + view.getBigUint64(ownership.size, true);
    if (!basesOf(stack, this.#arch.pageSize).includes(base) || end <= stack.start || end > stack.end)
      return undefined;
    const secret = viewOf(guard).getBigUint64(0, true);
    const value = (name: string, offset: number): bigint => {
      const word = view.getBigUint64(ownership.jumpBuffer + offset, true);
      return jumpBuffer.mangled.includes(name) ? pointerGuard.unmangle(word, secret) : word;
    };
    const sp = remote(value('sp', jumpBuffer.stackPointer));
    const values = new Map(Object.entries(jumpBuffer.saved).map(([name, at]) => [name, value(name, at)]));
    const pc = remote(values.get('pc') ?? 0n);
    if (sp < stack.start || sp >= end) return undefined;
    return code.some((range) => pc >= range.start && pc < range.end) ? { sp, pc, values } : undefined;
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
