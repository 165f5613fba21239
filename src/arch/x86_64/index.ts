/**
 * x86_64, as the System V psABI (version 1.0) and Linux define it. Little-endian, 8-byte words, 4 KiB pages.
 *
 * Redirect: `jmp rel32`, five bytes, ±2 GiB. A call pushes its return address on the stack, so that a scan of stack
 * words finds every caller. 128 bytes below the stack pointer belong to the running function (3.2.2, "red zone").
 * Instruction and data caches are coherent: code written through /proc/PID/mem needs no further step once every
 * thread has been stopped and resumed.
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

export const x86_64: Arch = {
  name: 'x86_64',
  elfMachine: 62,
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
