/**
 * LibcarePlus's loader on x86_64. It knows six kinds of references; its builder turns calls through the PLT into plain
 * ones, and loads of an address from the GOT into `lea` where the symbol is its own or the base's:
 *
 *     movq sym@GOTPCREL(%rip), %rax   48 8b 05 …   ->   leaq sym(%rip), %rax   48 8d 05 …
 */
import type { LibcareplusFacts } from '../arch.ts';
import { R_X86_64 } from './relocations.ts';

const LEA = 0x8d;
/** The opcode stands before the ModRM byte, which stands before the field. */
const opcodeAt = (at: number): number => at - 2;

export const libcareplus: LibcareplusFacts = {
  relocations: new Set([R_X86_64.NONE, R_X86_64[64], R_X86_64[32], R_X86_64['32S'], R_X86_64.PC32]),
  same: new Map([[R_X86_64.PLT32, R_X86_64.PC32]]),
  ofWord: new Map(
    [R_X86_64.GOTPCREL, R_X86_64.GOTPCRELX, R_X86_64.REX_GOTPCRELX, R_X86_64.GOTTPOFF].map((type) => [
      type,
      R_X86_64.PC32,
    ]),
  ),
  directGot: {
    isDirect: (code, at) => code[opcodeAt(at)] === LEA,
    type: R_X86_64.PC32,
  },
};
