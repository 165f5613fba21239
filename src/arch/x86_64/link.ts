/** What a linker knows of x86_64: stubs, dynamic relocation types, and where TLS lies. psABI x86-64 1.0, 4.4 and 5.2. */
import { alignUpBig } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import type { LinkFacts } from '../arch.ts';
import { throughGot } from './got-access.ts';
import { R_X86_64 } from './relocations.ts';

/** jmp *distance(%rip); int3; int3 */
const STUB = [0xff, 0x25, 0, 0, 0, 0, 0xcc, 0xcc];
const STUB_HOLE = 2;
/** The distance counts from the end of the jump, not of the stub. */
const STUB_JUMP_SIZE = 6;

/** mov 8(%rax), %rax; ret: the descriptor's address and the result are in rax. C libraries have the same code. */
const DESCRIPTOR_CODE = Uint8Array.of(0x48, 0x8b, 0x40, 0x08, 0xc3);

export const link: LinkFacts = {
  stub: {
    size: STUB.length,
    encode(at, slot) {
      const distance = BigInt.asIntN(64, slot - (at + BigInt(STUB_JUMP_SIZE)));
      if (BigInt.asIntN(32, distance) !== distance) return undefined;
      const code = Uint8Array.from(STUB);
      viewOf(code).setInt32(STUB_HOLE, Number(distance), true);
      return code;
    },
  },
  throughGot,
  jumpSlot: R_X86_64.JUMP_SLOT,
  globDat: R_X86_64.GLOB_DAT,
  relative: R_X86_64.RELATIVE,
  copy: R_X86_64.COPY,
  irelative: R_X86_64.IRELATIVE,
  tpoff: R_X86_64.TPOFF64,
  dtpmod: R_X86_64.DTPMOD64,
  dtpoff: R_X86_64.DTPOFF64,
  tlsdesc: R_X86_64.TLSDESC,
  descriptorCode: DESCRIPTOR_CODE,
  absolute64: R_X86_64[64],
  pcRelative32: R_X86_64.PC32,
  // Variant II: the executable's block ends at the thread pointer, rounded to its alignment.
  threadPointerOffset: ({ memSize, align }, offset) => offset - alignUpBig(memSize, align > 1n ? align : 1n),
};
