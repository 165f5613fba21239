/**
 * Where an object's thread-local variables lie. The dynamic linker keeps that in its private structures; what it
 * wrote into the words of the objects that use the variables says the same, in a form that the psABI defines.
 * "ELF Handling For Thread-Local Storage", 3.4.
 */
import { plus, type Remote, remote, toRemote, type Vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { PT_TLS } from '../elf/constants.ts';
import { lookup, readSlot, scopeOf } from './symbols.ts';
import type { ObjectView, ProcessView } from './view.ts';

/** Bytes of endbr64, bti and paciasp. */
const LONGEST_LANDING_PAD = 4;

export interface ThreadStorage {
  readonly owner: string;
  /** Offset of the object's block from the thread pointer; undefined if the block has none that all threads share. */
  readonly blockOffset: bigint | undefined;
  /** The module id for __tls_get_addr; undefined if no word of the process tells it. */
  readonly moduleId: bigint | undefined;
  /** What the dynamic linker made of descriptors of the object's variables, by offset in the block. */
  readonly descriptors: ReadonlyMap<bigint, Descriptor>;
}

/** "Thread-Local Storage Descriptors", 2.1: code that is called with the descriptor's address, and what it goes by. */
export interface Descriptor {
  readonly code: Remote;
  readonly argument: bigint;
}

/** A variable, `offset` bytes into its object's block. */
export interface ThreadOffset {
  readonly storage: ThreadStorage;
  readonly offset: bigint;
}

export function threadStorageOf(process: ProcessView, owner: ObjectView): ThreadStorage {
  const { link } = process.arch;
  const segment = owner.image.segments.find(({ type }) => type === PT_TLS);
  if (owner.isExecutable && segment !== undefined) {
    const shape = { memSize: BigInt(segment.memSize), align: BigInt(segment.align) };
    // The executable's block is the first of the static ones, and its module id is 1: 3.4.2 and 3.4.3.
    return {
      owner: owner.path,
      blockOffset: link.threadPointerOffset(shape, 0n),
      moduleId: 1n,
      descriptors: new Map(),
    };
  }
  let blockOffset: bigint | undefined;
  let moduleId: bigint | undefined;
  const descriptors = new Map<bigint, Descriptor>();
  const threadLocal = new Set([link.tpoff, link.dtpmod, link.tlsdesc].filter((type) => type !== undefined));
  for (const user of [owner, ...process.modules()]) {
    if (blockOffset !== undefined && moduleId !== undefined) break;
    if (user.isVdso) continue;
    for (const relocation of user.image.dynamicRelocations(threadLocal)) {
      const { type } = relocation;
      const inBlock = offsetInBlock(process, owner, user, relocation.symbol);
      const word = inBlock === undefined ? undefined : readSlot(process, user, relocation.at);
      if (inBlock === undefined || word === undefined || word === 0n) continue;
      if (type === link.dtpmod) moduleId ??= word;
      else if (type === link.tlsdesc) {
        const offset = inBlock + relocation.addend;
        const descriptor = readDescriptor(process, user, remote(word), relocation.at);
        if (descriptor?.kind === 'static') blockOffset ??= descriptor.offset - offset;
        else if (descriptor !== undefined) descriptors.set(offset, descriptor);
      } else blockOffset ??= BigInt.asIntN(64, word) - inBlock - relocation.addend;
    }
  }
  return { owner: owner.path, blockOffset, moduleId, descriptors };
}

/** Undefined while the dynamic linker has not filled the descriptor: it then points to its own relocation entry. */
function readDescriptor(
  process: ProcessView,
  user: ObjectView,
  code: Remote,
  at: Vaddr,
):
  | { readonly kind: 'static'; readonly offset: bigint }
  | ({ readonly kind: 'dynamic' } & Descriptor)
  | undefined {
  const second = process.memory.tryRead(plus(toRemote(at, user.bias), 8), 8);
  if (second === undefined) return undefined;
  const argument = viewOf(second).getBigUint64(0, true);
  if (isStaticCode(process, code)) return { kind: 'static', offset: BigInt.asIntN(64, argument) };
  const isUnresolved = argument === 0n || (argument >= user.start && argument < user.end);
  return isUnresolved ? undefined : { kind: 'dynamic', code, argument };
}

/** Whether a C library's descriptor function returns the second word as it is. */
function isStaticCode({ arch, memory }: ProcessView, code: Remote): boolean {
  const wanted = arch.link.descriptorCode;
  const pad = memory.tryRead(code, LONGEST_LANDING_PAD);
  const start = pad === undefined ? code : plus(code, arch.jump.landingPad(pad));
  const present = memory.tryRead(start, wanted.length);
  return present?.every((byte, i) => byte === wanted[i]) === true;
}

/** Offset in `owner`'s block of the variable that a TLS relocation of `user` names; undefined if it is another's. */
function offsetInBlock(
  process: ProcessView,
  owner: ObjectView,
  user: ObjectView,
  symbol:
    | {
        readonly name: string;
        readonly value: bigint;
        readonly shndx: number;
        readonly version?: string | undefined;
      }
    | undefined,
): bigint | undefined {
  // Without a symbol the relocation means the object's own block, and the addend the offset in it.
  if (symbol === undefined || symbol.name === '') return user === owner ? (symbol?.value ?? 0n) : undefined;
  const found = lookup(scopeOf(process, user), { name: symbol.name, version: symbol.version, use: 'tls' });
  if (found === undefined) return user === owner && symbol.shndx !== 0 ? symbol.value : undefined;
  return found.object === owner ? found.symbol.value : undefined;
}
