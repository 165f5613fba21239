/** Threads that are blocked in system calls, with as much of their registers as can be known without stopping them. */
import { remote } from '../bytes/address.ts';
import type { Target } from '../process/target.ts';
import { readProc } from '../sys/procfs.ts';
import { RegisterFile } from '../unwind/frame.ts';
import type { StoppedThread } from './observe.ts';

/** Threads that are asked. */
const MOST = 8;

/** Stack pointer and pc of some threads: enough to walk their stacks for practice, and for nothing else. */
export function sleepingThreads(target: Target): StoppedThread[] {
  const { registers } = target.arch;
  return target
    .threads()
    .slice(0, MOST)
    .flatMap((tid) => {
      const text = readProc(`${target.pid}/task/${tid}/syscall`);
      if (text === undefined) return [];
      // proc(5), /proc/PID/syscall: the last two words are stack pointer and pc; a running thread has none.
      const [sp, pc] = text.trim().split(' ').slice(-2);
      if (sp === undefined || pc === undefined || !/^0x/.test(sp) || !/^0x/.test(pc)) return [];
      const file = new RegisterFile(registers.dwarf.length, remote(BigInt(pc)));
      file.set(registers.dwarfSp, BigInt(sp));
      file.set(registers.dwarfReturnAddress, BigInt(pc));
      return [{ tid, registers: file }];
    });
}
