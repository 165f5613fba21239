import { SutureError } from '../base/errors.ts';
import { plus, type Remote, remote } from '../bytes/address.ts';
import { parseStatus, readProc, threadIds } from '../sys/procfs.ts';
import type { Target } from './target.ts';

/**
 * The page to which called functions return: it keeps their result and leads to rt_sigreturn. It is mapped for the
 * calls and unmapped after them; one that a killed run left behind is used and unmapped by the next.
 */
const PROT_READ_EXEC = 5n;
const MAP_PRIVATE_ANONYMOUS = 0x22n;
/** Where the page is asked for, far from what programs use: known again even if nothing was written to it yet. */
const PREFERRED = 0x5374_7572_0000n;
const MARK = new TextEncoder().encode('suture: functions return here');
const MARK_OFFSET = 64;

/** Makes a system call in the target; negative results are -errno. */
export type MakeCall = (number: number, ...args: bigint[]) => bigint;

/** Maps the page, or takes over the one that was left behind. */
export function openReturnPage(target: Target, call: MakeCall): Remote {
  const { pageSize, syscall } = target.arch;
  const page =
    leftBehind(target) ??
    call(syscall.numbers.mmap, PREFERRED, BigInt(pageSize), PROT_READ_EXEC, MAP_PRIVATE_ANONYMOUS, -1n, 0n);
  if (page < 0n) throw new SutureError('SYSCALL', `mmap in process ${target.pid} failed with errno ${-page}`);
  target.memory.write(remote(page), syscall.functionReturn);
  target.memory.write(plus(remote(page), MARK_OFFSET), MARK);
  return remote(page);
}

export function closeReturnPage(target: Target, page: Remote, call: MakeCall): void {
  call(target.arch.syscall.numbers.munmap, page, BigInt(target.arch.pageSize));
}

function leftBehind(target: Target): Remote | undefined {
  const { memory, arch, pid } = target;
  const page = target.maps().find((mapping) => {
    const { start, end, execute, inode, path } = mapping;
    if (!execute || inode !== 0 || path !== '' || end - start !== BigInt(arch.pageSize)) return false;
    const mark = memory.tryRead(plus(start, MARK_OFFSET), MARK.length);
    if (mark === undefined) return false;
    return Buffer.compare(mark, MARK) === 0 || (start === PREFERRED && mark.every((byte) => byte === 0));
  });
  // Somebody who traces the target right now may be another of us, in the middle of a call.
  return page === undefined || tracedByAnother(pid) ? undefined : page.start;
}

function tracedByAnother(pid: number): boolean {
  return threadIds(pid).some((tid) => {
    const tracer = parseStatus(readProc(`${pid}/task/${tid}/status`) ?? '').TracerPid;
    if (tracer === 0) return false;
    return parseStatus(readProc(`${tracer}/status`) ?? '').Tgid !== process.pid;
  });
}
