/**
 * AArch64, as the Arm Architecture Reference Manual for A-profile (Arm ARM), AAPCS64, AAELF64, AADWARF64 and Linux define
 * it. Little-endian, 8-byte words, instructions of four bytes, 4 KiB pages.
 *
 * Redirect: `bti c; b`, eight bytes, ±128 MiB. A call leaves its return address in x30; a function that makes calls itself
 * stores it, signed where pointer authentication is on. No bytes below the stack pointer belong to anybody (AAPCS64,
 * 6.4.5.1). Instruction caches are not coherent with writes: what is written through /proc/PID/mem into a mapping that is
 * executable, the kernel cleans (flush_ptrace_access), and what becomes executable afterwards, it cleans at the first
 * mapping of a page as such (__sync_icache_dcache); every thread synchronizes itself when the kernel resumes it.
 */
import type { Arch } from '../arch.ts';
import { assembly } from './assembly.ts';
import { jump } from './jump.ts';
import { libcareplus } from './libcareplus.ts';
import { link } from './link.ts';
import { registers } from './registers.ts';
import { relocations } from './relocations.ts';
import { syscall } from './syscall.ts';
import { unwind } from './unwind.ts';

export const aarch64: Arch = {
  name: 'aarch64',
  elfMachine: 183,
  pageSize: 4096,
  registers,
  unwind,
  relocations,
  jump,
  link,
  libcareplus,
  syscall,
  assembly,
};
