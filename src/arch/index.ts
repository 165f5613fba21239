import { aarch64 } from './aarch64/index.ts';
import type { Arch } from './arch.ts';
import { x86_64 } from './x86_64/index.ts';

export type { Arch } from './arch.ts';

/** Every CPU that this program knows. */
export const arches: readonly Arch[] = [x86_64, aarch64];

/** The CPU of an ELF header's e_machine. */
export const archOfMachine = (machine: number): Arch | undefined =>
  arches.find((arch) => arch.elfMachine === machine);

/** The CPU by the name that manifests carry. */
export const archNamed = (name: string): Arch | undefined => arches.find((arch) => arch.name === name);
