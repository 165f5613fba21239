/**
 * Applying relocations: the formula of the type, computed once for every CPU, and the field written by the CPU's
 * facts. gABI ch. 4, "Relocation".
 */
import type { Arch, RelocationFacts } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { hex } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';

export interface RelocationInput {
  /**
   * S, as the type's reference kind asks for it: an address, the place of a GOT word, a size, an offset from the
   * thread pointer.
   */
  readonly value: bigint;
  readonly addend: bigint;
  /** P: the address of the field. */
  readonly place: bigint;
  /** Start of the table of words that 'S+A-GOT' and 'GOT+A-P' count from. */
  readonly got: bigint;
}

/** The page that ADRP-like instructions count in. ELF for the Arm 64-bit architecture, "Relocation operations". */
const PAGE = 4096n;
const page = (address: bigint): bigint => address & -PAGE;

/** The value that the formula gives, as a signed 64-bit number, or an address when it has no P. */
export function relocatedValue(
  facts: RelocationFacts,
  { value, addend, place, got }: RelocationInput,
): bigint {
  switch (facts.formula) {
    case 'S+A':
      return BigInt.asIntN(64, value + addend);
    case 'S+A-P':
      return BigInt.asIntN(64, value + addend - place);
    case 'S+A-GOT':
      return BigInt.asIntN(64, value + addend - got);
    case 'GOT+A-P':
      return BigInt.asIntN(64, got + addend - place);
    case 'S+A-Page(GOT)':
      return BigInt.asIntN(64, value + addend - page(got));
    case 'Page(S+A)-Page(P)':
      return BigInt.asIntN(64, page(value + addend) - page(place));
    case 'Page offset(S+A)':
      return (value + addend) & (PAGE - 1n);
    case 'none':
      return 0n;
    default:
      return facts.formula satisfies never;
  }
}

/** Computes and writes one field; false when the value does not fit it. `at` is the field's offset in `view`. */
export const relocate = (
  view: DataView,
  at: number,
  facts: RelocationFacts,
  input: RelocationInput,
): boolean => facts.store(view, at, relocatedValue(facts, input));

export interface RelocatableSection {
  readonly name: string;
  readonly relocations: readonly {
    readonly offset: number;
    readonly type: number;
    readonly symbol: number;
    readonly addend: bigint;
  }[];
}

export interface SectionPlacement<R> {
  /** Where the section's first byte will lie. */
  readonly place: bigint;
  /** See RelocationInput.got. */
  readonly got: bigint;
  /** S of one relocation, by the reference kind of its type. */
  readonly valueOf: (relocation: R, facts: RelocationFacts) => bigint;
  /** For messages. */
  readonly nameOf: (relocation: R) => string;
}

/**
 * Relocates a section's bytes in place.
 * @throws SutureError RELOCATION naming section, offset, type and symbol, when the type is unknown to the CPU, lies
 * outside of the bytes, or its value does not fit the field.
 */
export function relocateSection<S extends RelocatableSection>(
  arch: Arch,
  section: S,
  bytes: Uint8Array,
  placement: SectionPlacement<S['relocations'][number]>,
): void {
  const view = viewOf(bytes);
  for (const relocation of section.relocations) {
    const { offset, type, addend } = relocation;
    const where = `${section.name}+${hex(offset)}`;
    const facts = arch.relocations.get(type);
    if (facts === undefined) {
      throw new SutureError('RELOCATION', `relocation type ${type} at ${where} is unknown on ${arch.name}`);
    }
    if (facts.formula === 'none') continue;
    if (offset < 0 || offset + facts.size > bytes.length) {
      throw new SutureError('RELOCATION', `${facts.name} at ${where} lies outside of the section`);
    }
    const place = placement.place + BigInt(offset);
    const value = placement.valueOf(relocation, facts);
    if (!relocate(view, offset, facts, { value, addend, place, got: placement.got })) {
      throw new SutureError(
        'RELOCATION',
        `${facts.name} at ${where} to ${placement.nameOf(relocation)} does not fit: ${hex(value)} is too far from ${hex(place)}`,
      );
    }
  }
}
