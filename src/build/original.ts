/** What the manifest says of a function that is replaced: where its code is in the base, and where the redirect goes. */
import type { Arch } from '../arch/arch.ts';
import { hex, plus, type Vaddr, vaddr } from '../bytes/address.ts';
import type { ElfSymbol } from '../elf/symbols.ts';
import type { ManifestFunction } from '../patch/manifest.ts';
import type { Base } from './base.ts';

/** Bytes of the entry that the manifest repeats. */
const ENTRY_BYTES = 16;
/** Filler between functions is looked at this far: twice the largest alignment that compilers use. */
const PADDING_LIMIT = 128;

export type OriginalResult =
  | {
      readonly kind: 'found';
      readonly original: NonNullable<ManifestFunction['original']>;
      readonly warning?: string;
    }
  | { readonly kind: 'refused'; readonly what: string; readonly remedy: string };

/**
 * The original of `name` at `address` with `size` bytes of code.
 *
 * The redirect goes behind a landing pad (endbr64), so that indirect calls keep landing on one. Nothing needs to be
 * known of branches back into the bytes that it covers: they are in the function itself, and no thread is in it when
 * the redirect is written, nor ever again while it stands.
 */
export function describeOriginal(
  base: Base,
  name: string,
  address: Vaddr,
  size: number,
  parts: readonly { readonly address: Vaddr; readonly symbol: ElfSymbol }[],
): OriginalResult {
  const { jump } = base.arch;
  const section = base.sectionAt(address);
  if (section === undefined || address + BigInt(size) > section.address + BigInt(section.size)) {
    return {
      kind: 'refused',
      what: `${name} at ${hex(address)} is not in the code of ${base.name}`,
      remedy: 'report this',
    };
  }
  const room =
    size + paddingBehind(base, base.arch, plus(address, size), section.address + BigInt(section.size));
  const code = base.image.readVaddr(address, Math.min(room, Math.max(size, ENTRY_BYTES)));
  const pad = jump.landingPad(code.subarray(0, size));
  const redirectOffset = jump.sizeIn(room - pad) > 0 ? pad : 0;
  const redirectEnd = redirectOffset + jump.sizeIn(room - redirectOffset);
  if (redirectEnd === redirectOffset) {
    return {
      kind: 'refused',
      what: `${name} is too short: ${size} bytes and ${room - size} bytes of filler do not hold a redirect of ${jump.size}`,
      remedy: 'build the base with -falign-functions=16, or leave the function as it is and fix its callers',
    };
  }
  // A short function's range takes in the filler that the redirect covers: all of it is put back on revert.
  const covered = Math.max(size, redirectEnd);
  const entry = base.image.readVaddr(address, Math.min(covered, Math.max(ENTRY_BYTES, redirectEnd)));
  return {
    kind: 'found',
    original: {
      address: hex(address),
      size: covered,
      entryBytes: [...entry].map((byte) => byte.toString(16).padStart(2, '0')).join(''),
      redirectOffset,
      parts: parts.map((part) => ({ address: hex(part.address), size: part.symbol.size })),
    },
    ...(pad > redirectOffset
      ? { warning: `${name} is too short to keep its landing pad: its redirect takes the place of it` }
      : {}),
  };
}

/** Bytes of filler from `at` to the next symbol or the section's end; 0 when anything else lies there. */
function paddingBehind(base: Base, arch: Arch, at: Vaddr, sectionEnd: bigint): number {
  // The symbol at `at` itself, if there is one, starts right behind the function.
  const next = base.nextSymbol(vaddr(at - 1n));
  const end = next !== undefined && next < sectionEnd ? next : sectionEnd;
  const size = Math.min(Number(end - at), PADDING_LIMIT);
  if (size <= 0) return 0;
  for (let tried = size; tried > 0; tried--) {
    // A gap longer than the limit may be cut inside an instruction: shorten until it is whole.
    if (arch.jump.isPadding(base.image.readVaddr(at, tried))) return tried;
    if (Number(end - at) <= PADDING_LIMIT || size - tried > ENTRY_BYTES) return 0;
  }
  return 0;
}
