/** kcmp(2): whether two processes share a resource of the kernel's. */
import { cFunction } from './library.ts';

const syscall = cFunction('syscall', 'long', ['long', 'int', 'int', 'int', 'long', 'long']);

/** linux/kcmp.h */
const KCMP_VM = 1;

/**
 * Whether two processes run in the same memory; `kcmp` is the call's number. False also if the kernel does not tell, or
 * one of them is gone.
 */
export const shareMemory = (kcmp: number, one: number, other: number): boolean =>
  syscall(kcmp, one, other, KCMP_VM, 0, 0) === 0;
