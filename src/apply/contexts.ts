/** Suspended contexts of which the program's description (--stacks) says where they are: unwound like threads. */
import type { Arch } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import type { LoadBias, Vaddr } from '../bytes/address.ts';
import { hex, plus, type Remote, remote, toRemote } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import type { ContextList } from '../unwind/context-list.ts';
import { RegisterFile } from '../unwind/frame.ts';
import type { TryRead } from './view.ts';

/** A description whose variable was found in the process. */
export interface FoundList {
  readonly list: ContextList;
  /** The variable that points to the first context. */
  readonly head: Remote;
  /** Functions in which its contexts begin. */
  readonly bottom: readonly { readonly start: Remote; readonly end: Remote }[];
}

export interface DescribedContext {
  /** For messages. */
  readonly what: string;
  readonly bottom: FoundList['bottom'];
  readonly registers: RegisterFile;
}

/** An object in which a variable is looked for. */
interface NamingObject {
  readonly path: string;
  readonly isExecutable: boolean;
  readonly bias: LoadBias;
  readonly image: { readonly dynamicSymbols: { named(name: string): readonly NamedSymbol[] } };
  readonly file: { readonly symbols: { named(name: string): readonly NamedSymbol[] } } | undefined;
}
interface NamedSymbol {
  readonly value: Vaddr;
  readonly shndx: number;
  readonly size: number;
}

/** More contexts than that are a list that does not end. */
const MOST = 1_000_000;

/**
 * Finds the variables. Lists of objects that the process has not loaded are left out.
 * @throws SutureError MISSING_SYMBOL if an object is there and lacks the variable, USAGE for a register that the CPU lacks
 */
export function findLists(
  arch: Arch,
  lists: readonly ContextList[],
  objects: readonly NamingObject[],
): FoundList[] {
  return lists.flatMap((list) => {
    requireRegisters(arch, list);
    const object = objects.find(({ path, isExecutable }) =>
      list.object === undefined ? isExecutable : path.slice(path.lastIndexOf('/') + 1) === list.object,
    );
    if (object === undefined) return [];
    const { value } = symbolOf(object, list.first, list.name);
    const bottom = list.bottom.map((name) => {
      const symbol = symbolOf(object, name, list.name);
      const start = toRemote(symbol.value, object.bias);
      return { start, end: plus(start, symbol.size) };
    });
    return [{ list, head: toRemote(value, object.bias), bottom }];
  });
}

function symbolOf(object: NamingObject, name: string, list: string): NamedSymbol {
  const symbol = [
    ...(object.file?.symbols.named(name) ?? []),
    ...object.image.dynamicSymbols.named(name),
  ].find(({ shndx }) => shndx !== 0);
  if (symbol !== undefined) return symbol;
  throw new SutureError(
    'MISSING_SYMBOL',
    `${object.path} has no symbol ${name}, which the description of ${list} names`,
    { remedy: 'correct the file given with --stacks, or give the object its symbols back' },
  );
}

function requireRegisters(arch: Arch, { name, saved, pushed, mangled }: ContextList): void {
  const known = (register: string) => register === 'pc' || arch.registers.names.includes(register);
  const names = [...Object.keys(saved), ...Object.keys(pushed), ...mangled.filter((one) => one !== 'sp')];
  const unknown = names.find((register) => !known(register));
  if (unknown !== undefined)
    throw new SutureError('USAGE', `${name}: ${arch.name} has no register ${unknown}`, {
      remedy: 'see docs/stacks.md',
    });
  if (mangled.length > 0 && arch.unwind.pointerGuard === undefined)
    throw new SutureError('UNSUPPORTED', `${name}: mangled registers are not known on ${arch.name}`);
}

/**
 * The registers with which every context would go on. `undefined` if a list cannot be followed to its end: then nothing
 * is known.
 */
export function describedContexts(
  arch: Arch,
  lists: readonly FoundList[],
  threadPointer: bigint | undefined,
  tryRead: TryRead,
  expired: () => boolean,
): DescribedContext[] | undefined {
  const word = (at: bigint) => wordAt(at, tryRead);
  const guard = arch.unwind.pointerGuard;
  const secret =
    guard === undefined || threadPointer === undefined
      ? undefined
      : word(threadPointer + BigInt(guard.offset));
  const contexts: DescribedContext[] = [];
  for (const { list, head, bottom } of lists) {
    const first = word(head);
    if (first === undefined) return undefined;
    for (let at = first, count = 0; at !== 0n && (count === 0 || at !== first); count++) {
      if (expired() || count === MOST) return undefined;
      const next = word(at + BigInt(list.next));
      if (next === undefined) return undefined;
      if (!isExcepted(list, at, tryRead)) {
        const registers = registersAt(arch, list, at, tryRead, (value) =>
          secret === undefined ? undefined : guard?.unmangle(value, secret),
        );
        if (registers === undefined) return undefined;
        contexts.push({ what: `the context at ${hex(at)} of ${list.name}`, registers, bottom });
      }
      at = next;
    }
  }
  return contexts;
}

function isExcepted({ except }: ContextList, at: bigint, tryRead: TryRead): boolean {
  if (except === undefined) return false;
  const bytes = tryRead(plus(remote(at), except.at), 4);
  return bytes !== undefined && viewOf(bytes).getUint32(0, true) === except.equals >>> 0;
}

function wordAt(at: bigint, tryRead: TryRead): bigint | undefined {
  const bytes = tryRead(remote(at), 8);
  return bytes === undefined ? undefined : viewOf(bytes).getBigUint64(0, true);
}

function registersAt(
  arch: Arch,
  list: ContextList,
  at: bigint,
  tryRead: TryRead,
  unmangle: (value: bigint) => bigint | undefined,
): RegisterFile | undefined {
  const load = (name: string, from: bigint): bigint | undefined => {
    const value = wordAt(from, tryRead);
    return value === undefined || !list.mangled.includes(name) ? value : unmangle(value);
  };
  const sp = load('sp', at + BigInt(list.stackPointer));
  if (sp === undefined) return undefined;
  const registers = new RegisterFile(arch.registers.dwarf.length, remote(0n));
  for (const [base, offsets] of [
    [at, list.saved],
    [sp, list.pushed],
  ] as const) {
    for (const [name, offset] of Object.entries(offsets)) {
      const value = load(name, base + BigInt(offset));
      if (value === undefined) return undefined;
      if (name !== 'pc') registers.set(arch.registers.names.indexOf(name), value);
      else {
        registers.pc = remote(value);
        registers.set(arch.registers.dwarfReturnAddress, value);
      }
    }
  }
  registers.set(arch.registers.dwarfSp, sp + BigInt(list.popped));
  return registers;
}
