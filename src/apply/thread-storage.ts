/**
 * Where an object's thread-local variables lie. The dynamic linker keeps that in its private structures; what it
 * wrote into the words of the objects that use the variables says the same, in a form that the psABI defines.
 * "ELF Handling For Thread-Local Storage", 3.4.
 */
import { PT_TLS } from '../elf/constants.ts';
import { lookup, readSlot, scopeOf } from './symbols.ts';
import type { ObjectView, ProcessView } from './view.ts';

export interface ThreadStorage {
  readonly owner: string;
  /** Offset of the object's block from the thread pointer; undefined if the block has none that all threads share. */
  readonly blockOffset: bigint | undefined;
  /** The module id for __tls_get_addr; undefined if no word of the process tells it. */
  readonly moduleId: bigint | undefined;
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
    return { owner: owner.path, blockOffset: link.threadPointerOffset(shape, 0n), moduleId: 1n };
  }
  let blockOffset: bigint | undefined;
  let moduleId: bigint | undefined;
  for (const user of [owner, ...process.modules()]) {
    if (blockOffset !== undefined && moduleId !== undefined) break;
    if (user.isVdso) continue;
    for (const relocation of user.image.dynamicRelocations()) {
      if (relocation.type !== link.tpoff && relocation.type !== link.dtpmod) continue;
      const inBlock = offsetInBlock(process, owner, user, relocation.symbol);
      const word = inBlock === undefined ? undefined : readSlot(process, user, relocation.at);
      if (inBlock === undefined || word === undefined || word === 0n) continue;
      if (relocation.type === link.dtpmod) moduleId ??= word;
      else blockOffset ??= BigInt.asIntN(64, word) - inBlock - relocation.addend;
    }
  }
  return { owner: owner.path, blockOffset, moduleId };
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
