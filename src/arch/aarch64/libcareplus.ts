/**
 * LibcarePlus's loader on AArch64. It knows a dozen kinds of references; of the loads and stores only that of eight bytes
 * has its offset scaled rightly, so that code with the others is refused.
 */
import type { LibcareplusFacts } from '../arch.ts';
import { R_AARCH64 } from './relocations.ts';

export const libcareplus: LibcareplusFacts = {
  relocations: new Set([
    ...[R_AARCH64.NONE, R_AARCH64.ABS64, R_AARCH64.CALL26, R_AARCH64.JUMP26],
    ...[R_AARCH64.ADR_PREL_PG_HI21, R_AARCH64.ADD_ABS_LO12_NC, R_AARCH64.LDST64_ABS_LO12_NC],
  ]),
  same: new Map(),
  ofWord: new Map([
    [R_AARCH64.ADR_GOT_PAGE, R_AARCH64.ADR_PREL_PG_HI21],
    [R_AARCH64.LD64_GOT_LO12_NC, R_AARCH64.LDST64_ABS_LO12_NC],
    [R_AARCH64.TLSIE_ADR_GOTTPREL_PAGE21, R_AARCH64.ADR_PREL_PG_HI21],
    [R_AARCH64.TLSIE_LD64_GOTTPREL_LO12_NC, R_AARCH64.LDST64_ABS_LO12_NC],
  ]),
};
