/**
 * LibcarePlus's loader on aarch64. It scales the offsets of 8-bit and 32-bit loads and stores (LDST8, LDST32) as if they
 * were of 64 bits, so that these cannot be given to it, and it knows none of 16 or 128 bits. An `ldr` of an address
 * from the GOT it turns into `add` itself where the patch or the base defines the symbol.
 */
import type { LibcareplusFacts } from '../arch.ts';
import { R_AARCH64 } from './relocations.ts';

export const libcareplus: LibcareplusFacts = {
  relocations: new Set([
    R_AARCH64.NONE,
    R_AARCH64.ABS64,
    R_AARCH64.ADD_ABS_LO12_NC,
    R_AARCH64.CALL26,
    R_AARCH64.JUMP26,
    R_AARCH64.ADR_PREL_PG_HI21,
    R_AARCH64.LDST64_ABS_LO12_NC,
  ]),
  same: new Map(),
  ofWord: new Map([
    [R_AARCH64.ADR_GOT_PAGE, R_AARCH64.ADR_PREL_PG_HI21],
    [R_AARCH64.LD64_GOT_LO12_NC, R_AARCH64.LDST64_ABS_LO12_NC],
    [R_AARCH64.TLSIE_ADR_GOTTPREL_PAGE21, R_AARCH64.ADR_PREL_PG_HI21],
    [R_AARCH64.TLSIE_LD64_GOTTPREL_LO12_NC, R_AARCH64.LDST64_ABS_LO12_NC],
  ]),
};
