/**
 * Stops a process, has it map three pages in a chain of calls, and dies in the middle of that, at the moment that the
 * third argument names: when the tool asks for the result or the number of the n-th system call. Arguments: pid, first
 * address, moment ("result 2").
 */
import { stopAll } from '../../src/process/stop.ts';
import { Target } from '../../src/process/target.ts';

const [pid, first, moment] = process.argv.slice(2);
const target = Target.open(Number(pid));
const { arch } = target;
const [what, count] = (moment ?? '').split(' ');
let seen = 0;
const counting =
  <A extends unknown[], R>(name: string, work: (...args: A) => R) =>
  (...args: A): R => {
    if (name === what && ++seen === Number(count)) process.kill(process.pid, 'SIGKILL');
    return work(...args);
  };
const { result, callNumber, enterCall } = arch.syscall;
Object.assign(target, {
  arch: {
    ...arch,
    syscall: {
      ...arch.syscall,
      result: counting('result', result),
      callNumber: counting('callNumber', callNumber),
      enterCall: counting('enterCall', enterCall),
    },
  },
});
const stopped = stopAll(target, { collectDeadlineMs: 5000 });
if ('kind' in stopped) throw new Error('not stopped');
// PROT_READ; MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE
const calls = [0n, 1n, 2n].map((page) => ({
  kind: 'syscall' as const,
  number: arch.syscall.numbers.mmap,
  args: [BigInt(first ?? 0) + page * 0x10000n, 4096n, 1n, 0x100022n, -1n, 0n],
}));
stopped.callTogether(calls);
stopped.release();
