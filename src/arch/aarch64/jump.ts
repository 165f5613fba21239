/**
 * The redirect: one `b`, 000101 and a signed distance of 26 words (Arm ARM C6.2.26). Where a page enforces branch
 * target identification the instruction that an indirect call lands on must stay: `bti`, `paciasp` or `pacibsp` keep
 * their place and the `b` follows. A kept `paciasp` has signed the return address by the time the `b` runs, so that
 * the new body must not do it again: only `bti` may be stepped over by the redirect, see `landingPad`.
 */
import { plus, type Remote, remote } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import type { Jump } from '../arch.ts';

const SIZE = 4;
const REACH = 1n << 27n;
const B = 0x14000000;
const B_MASK = 0xfc000000;

const NOP = 0xd503201f;
/** bti, bti c, bti j, bti jc: hint #32, #34, #36, #38. */
const BTI = [0xd503241f, 0xd503245f, 0xd503249f, 0xd50324df];

export const jump: Jump = {
  size: SIZE,
  // Forward the last word is out of reach; the shorter side bounds both.
  reach: REACH - BigInt(SIZE),

  encode(from, to) {
    const distance = BigInt.asIntN(64, to - from);
    if (distance < -REACH || distance >= REACH || distance & 3n) return undefined;
    const code = new Uint8Array(SIZE);
    viewOf(code).setUint32(0, (B | (Number(BigInt.asUintN(28, distance)) >>> 2)) >>> 0, true);
    return code;
  },

  decode(code, from): Remote | undefined {
    if (code.length < SIZE) return undefined;
    const instruction = viewOf(code).getUint32(0, true);
    if ((instruction & B_MASK) >>> 0 !== B) return undefined;
    return remote(plus(from, BigInt.asIntN(28, BigInt(instruction & 0x3ffffff) << 2n)));
  },

  landingPad(code) {
    if (code.length < SIZE) return 0;
    return BTI.includes(viewOf(code).getUint32(0, true)) ? SIZE : 0;
  },

  isPadding(code) {
    if (code.length % SIZE !== 0) return false;
    const view = viewOf(code);
    for (let at = 0; at < code.length; at += SIZE) {
      const word = view.getUint32(at, true);
      // udf #0 is what the linker fills gaps with.
      if (word !== NOP && word !== 0) return false;
    }
    return true;
  },
};
