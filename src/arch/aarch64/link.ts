/** What a linker knows of AArch64: stubs, dynamic relocation types, and where TLS lies. AAELF64, 5.7.14; TLS variant I. */
import { alignUpBig } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import type { LinkFacts } from '../arch.ts';
import { R_AARCH64, relocations } from './relocations.ts';

/**
 *     adrp x16, slot
 *     ldr  x16, [x16, :lo12:slot]
 *     br   x16
 *     nop
 * x16 is the register that a veneer may destroy, and the one from which `bti c` accepts a `br` (AAPCS64, 6.1.1).
 */
const STUB = [0x90000010, 0xf9400210, 0xd61f0200, 0xd503201f];
const page = (address: bigint): bigint => address & -4096n;

/** ldr x0, [x0, #8]; ret: the descriptor's address and the result are in x0. C libraries have the same code. */
const DESCRIPTOR_CODE = Uint8Array.of(0x00, 0x04, 0x40, 0xf9, 0xc0, 0x03, 0x5f, 0xd6);

/** The static linker leaves two words at the thread pointer to the thread control block. */
const TCB_SIZE = 16n;

export const link: LinkFacts = {
  stub: {
    size: 4 * STUB.length,
    encode(at, slot) {
      const code = new Uint8Array(4 * STUB.length);
      const view = viewOf(code);
      STUB.forEach((word, i) => {
        view.setUint32(4 * i, word, true);
      });
      const adrp = relocations.get(R_AARCH64.ADR_PREL_PG_HI21)!;
      const load = relocations.get(R_AARCH64.LDST64_ABS_LO12_NC)!;
      if (!adrp.store(view, 0, BigInt.asIntN(64, page(slot) - page(at)))) return undefined;
      return load.store(view, 4, slot & 0xfffn) ? code : undefined;
    },
  },
  jumpSlot: R_AARCH64.JUMP_SLOT,
  globDat: R_AARCH64.GLOB_DAT,
  relative: R_AARCH64.RELATIVE,
  copy: R_AARCH64.COPY,
  irelative: R_AARCH64.IRELATIVE,
  tpoff: R_AARCH64.TLS_TPREL,
  dtpmod: R_AARCH64.TLS_DTPMOD,
  dtpoff: R_AARCH64.TLS_DTPREL,
  tlsdesc: R_AARCH64.TLSDESC,
  descriptorCode: DESCRIPTOR_CODE,
  absolute64: R_AARCH64.ABS64,
  pcRelative32: R_AARCH64.PREL32,
  // Variant I: the block follows the thread control block, at the block's own alignment.
  threadPointerOffset: ({ align }, offset) => offset + alignUpBig(TCB_SIZE, align > 1n ? align : 1n),
};
