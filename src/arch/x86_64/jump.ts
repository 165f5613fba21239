/**
 * The redirect: `jmp rel32`, E9 and a signed 32-bit distance from the end of the instruction.
 * Intel SDM vol. 2A, JMP. It must not straddle the landing pad: `endbr64` stays in front of it, because an indirect
 * call to the entry faults without one where indirect branch tracking is on.
 */
import { plus, type Remote, remote } from '../../bytes/address.ts';
import { viewOf } from '../../bytes/record.ts';
import type { Jump } from '../arch.ts';

const SIZE = 5;
const REACH = 1n << 31n;

/** endbr64. */
const ENDBR64 = [0xf3, 0x0f, 0x1e, 0xfa];

export const jump: Jump = {
  size: SIZE,
  sizeIn: (room) => (room < SIZE ? 0 : SIZE),
  // The distance counts from the end of the instruction; the shorter side bounds both.
  reach: REACH - BigInt(SIZE),

  encode(from, to) {
    const distance = BigInt.asIntN(64, to - (from + BigInt(SIZE)));
    if (distance < -REACH || distance >= REACH) return undefined;
    const code = new Uint8Array(SIZE);
    code[0] = 0xe9;
    viewOf(code).setInt32(1, Number(distance), true);
    return code;
  },

  decode(code, from): Remote | undefined {
    if (code.length < SIZE || code[0] !== 0xe9) return undefined;
    return remote(plus(from, SIZE) + BigInt(viewOf(code).getInt32(1, true)));
  },

  landingPad: (code) => (ENDBR64.every((byte, i) => code[i] === byte) ? ENDBR64.length : 0),

  isPadding(code) {
    for (let at = 0; at < code.length; ) {
      const size = fillerSize(code, at);
      if (size === 0) return false;
      at += size;
    }
    return true;
  },
};

/**
 * Bytes of the one filler instruction at `at`: int3, nop, `xchg %ax,%ax`, or a long nop 0F 1F /0 with any number of
 * operand-size prefixes and one segment prefix, as gas and the linkers emit; 0 if it is none.
 * Intel SDM vol. 2B, NOP, table 4-12.
 */
function fillerSize(code: Uint8Array, at: number): number {
  if (code[at] === 0xcc) return 1;
  let next = at;
  while (code[next] === 0x66) next++;
  if (code[next] === 0x2e) next++;
  if (code[next] === 0x90) return next + 1 - at;
  if (code[next] !== 0x0f || code[next + 1] !== 0x1f) return 0;
  const modrm = code[next + 2];
  if (modrm === undefined || (modrm & 0x38) !== 0) return 0;
  const mod = modrm >> 6;
  const rm = modrm & 7;
  const displacement = mod === 1 ? 1 : mod === 2 || (mod === 0 && rm === 5) ? 4 : 0;
  const sib = mod !== 3 && rm === 4 ? 1 : 0;
  const end = next + 3 + sib + displacement;
  return end <= code.length ? end - at : 0;
}
