/**
 * Which threads may call into the unwinder on our behalf. The call takes the unwinder's lock and may allocate, so a
 * thread that has that lock or the allocator's already would wait for itself: none of its frames may be in either.
 */
import type { Arch } from '../arch/arch.ts';
import type { Remote } from '../bytes/address.ts';
import { SHN_UNDEF } from '../elf/constants.ts';
import type { RegisterFile, UnwindModule } from '../unwind/frame.ts';
import { walk } from '../unwind/walk.ts';
import { moduleFinder } from './unwind-modules.ts';
import type { ObjectView, TryRead } from './view.ts';

/** Functions that hold, or are about to take, locks of the unwinder, of the allocator, or all of them. */
export const LOCKING =
  /^_*(libc_|libc_dl)?_*(malloc\w*|mallopt|mallinfo\d?|free|cfree|calloc|realloc|reallocarray|aligned_alloc|memalign|posix_memalign|p?valloc|int_(malloc|free|realloc|memalign)\w*|sysmalloc\w*|systrim|arena_get\w*|tcache_\w+|s?brk|morecore|v?fork|dl_iterate_phdr|(de)?register_frame\w*|unw_\w+|Unwind_\w+|Zn[wa]\w+|Zd[la]\w+)(\.\w+)*$/;

/** Why a thread with these registers may not make the call; undefined if it may. */
export type Objection = (registers: RegisterFile) => string | undefined;

export function objectionToUnwinderCalls(
  arch: Arch,
  modules: readonly UnwindModule[],
  objects: readonly ObjectView[],
  readMemory: TryRead,
): Objection {
  const moduleAt = moduleFinder(modules);
  const closed = objects.filter(isClosed);
  const inClosed = (pc: Remote) => closed.find(({ start, end }) => pc >= start && pc < end);
  return (registers) => {
    const { frames, end } = walk({ arch, registers, readMemory, moduleAt });
    if (end.kind === 'lost') return `its stack cannot be followed (${end.reason})`;
    for (const { lookupPc } of frames) {
      const object = inClosed(lookupPc);
      if (object !== undefined) return `it is in ${object.path}`;
      const name = moduleAt(lookupPc)?.symbol?.(lookupPc)?.name;
      if (name !== undefined && LOCKING.test(name)) return `it is in ${name}`;
    }
    return undefined;
  };
}

/** Objects that are about nothing else than loading, unwinding or allocating: all of their functions count. */
function isClosed(object: ObjectView): boolean {
  if (object.isVdso || object.isExecutable) return false;
  const defines = (name: string) =>
    object.image.dynamicSymbols.named(name).some(({ shndx }) => shndx !== SHN_UNDEF);
  if (defines('__libc_start_main')) return false;
  const file = object.path.slice(object.path.lastIndexOf('/') + 1);
  return file.startsWith('ld-') || defines('__register_frame_info') || defines('malloc');
}
