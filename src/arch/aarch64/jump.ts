/**
 * The redirect: `bti c; b`, the branch being 000101 and a signed distance of 26 words (Arm ARM C6.2.26).
 *
 * Where a page enforces branch target identification, an indirect call must land on `bti c`, or on `paciasp` or `pacibsp`,
 * which are landing pads too. These two also sign the return address, which the new code would do a second time: so
 * the redirect brings a landing pad of its own and takes the place of theirs. To a CPU without the extension `bti` is a
 * nop. Only a pad that admits other branches than calls is left where it is.
 *
 * Where there is room for one instruction, the `b` stands alone. That takes no landing pad away: a function of a single
 * instruction has none, as the pad would be the second; and behind a pad that stays none is needed.
 */
import { plus, type Remote, remote } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import type { Jump } from '../arch.ts';

const WORD = 4;
const SIZE = 2 * WORD;
const REACH = 1n << 27n;
const B = 0x14000000;
const B_MASK = 0xfc000000;

const NOP = 0xd503201f;
/** hint #34 */
const BTI_C = 0xd503245f;
/** bti j, bti jc: hint #36, #38. */
const OTHER_PADS = [0xd503249f, 0xd50324df];

export const jump: Jump = {
  size: SIZE,
  sizeIn: (room) => (room < WORD ? 0 : room < SIZE ? WORD : SIZE),
  // The distance counts from the branch, and forward the last word is out of reach; the shorter side bounds both.
  reach: REACH - BigInt(SIZE),

  encode(from, to, size = SIZE) {
    const at = size - WORD;
    const distance = BigInt.asIntN(64, to - plus(from, at));
    if (distance < -REACH || distance >= REACH || distance & 3n) return undefined;
    const code = new Uint8Array(size);
    const view = viewOf(code);
    if (at > 0) view.setUint32(0, BTI_C, true);
    view.setUint32(at, (B | (Number(BigInt.asUintN(28, distance)) >>> 2)) >>> 0, true);
    return code;
  },

  decode(code, from): Remote | undefined {
    if (code.length < WORD) return undefined;
    const view = viewOf(code);
    const at = code.length < SIZE ? 0 : WORD;
    const branch = view.getUint32(at, true);
    if (at > 0 && view.getUint32(0, true) !== BTI_C) return undefined;
    if ((branch & B_MASK) >>> 0 !== B) return undefined;
    return remote(plus(from, at) + BigInt.asIntN(28, BigInt(branch & 0x3ffffff) << 2n));
  },

  landingPad(code) {
    if (code.length < WORD) return 0;
    return OTHER_PADS.includes(viewOf(code).getUint32(0, true)) ? WORD : 0;
  },

  // PROT_BTI: Linux, arch/arm64/include/uapi/asm/mman.h.
  guardedPages: { vmFlag: 'bt', protection: 0x10n },

  isPadding(code) {
    if (code.length % WORD !== 0) return false;
    const view = viewOf(code);
    for (let at = 0; at < code.length; at += WORD) {
      const word = view.getUint32(at, true);
      // udf #0 is what the linker fills gaps with.
      if (word !== NOP && word !== 0) return false;
    }
    return true;
  },
};
