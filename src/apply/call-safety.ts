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
  /** Whether the frame is a sanitizer's stand-in for a function of libc that the thread waits in now. */
  const waitsInLibc = (
    runtime: ObjectView,
    callee: Remote | undefined,
    caller: Remote | undefined,
  ): boolean => {
    if (callee === undefined || inClosed(callee) !== undefined) return false;
    if (caller === undefined || inClosed(caller) !== undefined) return false;
    const called = moduleAt(callee)
      ?.symbol?.(callee)
      ?.name.replace(/^(__GI_)?(_IO_|__libc_|_*)/, '');
    return called !== undefined && WAITING.test(called) && defines(runtime, `__interceptor_${called}`);
  };
  return (registers) => {
    const { frames, end } = walk({ arch, registers, readMemory, moduleAt });
    if (end.kind === 'lost') return `its stack cannot be followed (${end.reason})`;
    for (const [depth, { lookupPc }] of frames.entries()) {
      const object = inClosed(lookupPc);
      if (
        object !== undefined &&
        !waitsInLibc(object, frames[depth - 1]?.lookupPc, frames[depth + 1]?.lookupPc)
      )
        return `it is in ${object.path}`;
      const name = moduleAt(lookupPc)?.symbol?.(lookupPc)?.name;
      if (name !== undefined && LOCKING.test(name)) return `it is in ${name}`;
    }
    return undefined;
  };
}

/**
 * What a sanitizer stands in for and waits in, beneath the names that libc has for it. None of these is called with a
 * lock of the sanitizer's allocator held: those that read by lines call that allocator themselves, and for its own
 * purposes a sanitizer makes system calls without libc.
 */
const WAITING =
  /^(read|readv|pread(64)?|write|writev|fgets|fread|getline|getdelim|recv|recvmsg|recvfrom|send|sendmsg|sendto|accept4?|connect|p?poll|p?select|epoll_p?wait\d?|usleep|sleep|(clock_)?nanosleep|pause|sigwait|sigwaitinfo|sigtimedwait|sigsuspend|wait|waitpid|wait3|wait4|waitid|pthread_join|pthread_cond_(timed|clock)?wait|sem_(timed)?wait)$/;

/** Objects that are about nothing else than loading, unwinding or allocating: all of their functions count. */
function isClosed(object: ObjectView): boolean {
  if (object.isVdso || object.isExecutable) return false;
  if (defines(object, '__libc_start_main')) return false;
  const file = object.path.slice(object.path.lastIndexOf('/') + 1);
  return file.startsWith('ld-') || ['__register_frame_info', 'malloc'].some((name) => defines(object, name));
}

const defines = ({ image }: ObjectView, name: string): boolean =>
  image.dynamicSymbols.named(name).some(({ shndx }) => shndx !== SHN_UNDEF);
