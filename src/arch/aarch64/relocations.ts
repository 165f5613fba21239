/**
 * Relocation types of AArch64. ELF for the Arm 64-bit Architecture (AAELF64) 2024Q3, 5.7; the numbers in comments are
 * its tables'. A field is part of an instruction: `store` keeps the other bits.
 *
 * Overflow: a page distance must fit 33 signed bits (ADRP's 21 bits of pages), branches 28, 21 or 16 bits, MOVW groups
 * what their name says; `_NC` types check nothing. A scaled load's offset must be a multiple of its size.
 */
import type { Formula, ReferenceKind, RelocationFacts } from '../arch.ts';

type Store = RelocationFacts['store'];

const fitsSigned = (value: bigint, bits: number): boolean =>
  BigInt.asIntN(bits, value) === BigInt.asIntN(64, value);
const fitsUnsigned = (value: bigint, bits: number): boolean =>
  BigInt.asUintN(bits, value) === BigInt.asUintN(64, value);

/** Replaces the bits of `mask` in the instruction. */
function insert(view: DataView, at: number, mask: number, bits: number): true {
  view.setUint32(at, ((view.getUint32(at, true) & ~mask) | (bits & mask)) >>> 0, true);
  return true;
}

const store64: Store = (view, at, value) => {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  return true;
};

/** Data fields of 32 and 16 bits hold either reading: -2^(n-1) <= X < 2^n (AAELF64, table 5.7). */
const data32: Store = (view, at, value) => {
  if (!fitsSigned(value, 32) && !fitsUnsigned(value, 32)) return false;
  view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  return true;
};
const data16: Store = (view, at, value) => {
  if (!fitsSigned(value, 16) && !fitsUnsigned(value, 16)) return false;
  view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
  return true;
};
const signed32: Store = (view, at, value) => fitsSigned(value, 32) && data32(view, at, value);

/** immlo is bits 30:29, immhi bits 23:5, of ADR and ADRP. */
function insertAdr(view: DataView, at: number, immediate: number): true {
  return insert(view, at, 0x60ffffe0, ((immediate & 3) << 29) | (((immediate >> 2) & 0x7ffff) << 5));
}
const adr: Store = (view, at, value) =>
  fitsSigned(value, 21) && insertAdr(view, at, Number(BigInt.asIntN(21, value)));
const adrpUnchecked: Store = (view, at, value) =>
  insertAdr(view, at, Number(BigInt.asIntN(21, value >> 12n)));
const adrp: Store = (view, at, value) => fitsSigned(value, 33) && adrpUnchecked(view, at, value);

/** imm12 of ADD and of loads and stores, bits 21:10, scaled by the access size. */
function low12(scale: number): Store {
  const shift = BigInt(scale);
  return (view, at, value) => {
    const offset = value & 0xfffn;
    if (offset & ((1n << shift) - 1n)) return false;
    return insert(view, at, 0x3ffc00, Number(offset >> shift) << 10);
  };
}
const high12: Store = (view, at, value) =>
  fitsUnsigned(value, 24) && insert(view, at, 0x3ffc00, Number((value >> 12n) & 0xfffn) << 10);
const low12Checked: Store = (view, at, value) => fitsUnsigned(value, 12) && low12(0)(view, at, value);

/** A doubleword's offset from the page of the GOT, 15 bits of it. */
const scaled15: Store = (view, at, value) =>
  fitsUnsigned(value, 15) && (value & 7n) === 0n && insert(view, at, 0x3ffc00, Number(value >> 3n) << 10);

/** A branch's distance counts in words; `bits` of them at bit `low`. */
function branch(bits: number, low: number): Store {
  const mask = (2 ** bits - 1) * 2 ** low;
  return (view, at, value) => {
    if (value & 3n || !fitsSigned(value, bits + 2)) return false;
    return insert(view, at, mask, Number(BigInt.asIntN(32, (value >> 2n) << BigInt(low))));
  };
}

const MOVW_FIELD = 0x1fffe0;
const MOVZ_BIT = 0x40000000;
/** imm16 of MOVZ and MOVK, bits 20:5: group `group` of an unsigned value. */
function movw(group: number, checked: boolean): Store {
  return (view, at, value) => {
    if (checked && !fitsUnsigned(value, 16 * (group + 1))) return false;
    return insert(view, at, MOVW_FIELD, Number((value >> BigInt(16 * group)) & 0xffffn) << 5);
  };
}
/** The signed forms turn MOVZ into MOVN for a negative value (AAELF64, 5.7.6). */
function movwSigned(group: number, bits: number): Store {
  return (view, at, value) => {
    const signed = BigInt.asIntN(64, value);
    if (!fitsSigned(signed, bits)) return false;
    const magnitude = signed < 0n ? ~signed : signed;
    insert(view, at, MOVZ_BIT, signed < 0n ? 0 : MOVZ_BIT);
    return insert(view, at, MOVW_FIELD, Number((magnitude >> BigInt(16 * group)) & 0xffffn) << 5);
  };
}

const nothing: Store = () => true;

type Load = NonNullable<RelocationFacts['load']>;
/** The bits of an instruction from `low` on, signed, in units of `scale` bytes. */
function signedField(bits: number, low: number, scale: bigint): Load {
  return (view, at) => BigInt.asIntN(bits, BigInt(view.getUint32(at, true)) >> BigInt(low)) * scale;
}
function unsignedField(bits: number, low: number, shift: number): Load {
  return (view, at) => BigInt.asUintN(bits, BigInt(view.getUint32(at, true)) >> BigInt(low)) << BigInt(shift);
}
function loadAdr(view: DataView, at: number): bigint {
  const word = view.getUint32(at, true);
  return BigInt.asIntN(21, BigInt((((word >>> 5) & 0x7ffff) << 2) | ((word >>> 29) & 3)));
}
/** What stands in the field when it holds the whole value: linkers leave their results there. */
const LOADS: Readonly<Record<string, Load>> = {
  ABS64: (view, at) => view.getBigInt64(at, true),
  PREL64: (view, at) => view.getBigInt64(at, true),
  PREL32: (view, at) => BigInt(view.getInt32(at, true)),
  PLT32: (view, at) => BigInt(view.getInt32(at, true)),
  CALL26: signedField(26, 0, 4n),
  JUMP26: signedField(26, 0, 4n),
  CONDBR19: signedField(19, 5, 4n),
  TSTBR14: signedField(14, 5, 4n),
  LD_PREL_LO19: signedField(19, 5, 4n),
  ADR_PREL_LO21: loadAdr,
  ADR_PREL_PG_HI21: (view, at) => loadAdr(view, at) << 12n,
  ADR_PREL_PG_HI21_NC: (view, at) => loadAdr(view, at) << 12n,
  ADD_ABS_LO12_NC: unsignedField(12, 10, 0),
  LDST8_ABS_LO12_NC: unsignedField(12, 10, 0),
  LDST16_ABS_LO12_NC: unsignedField(12, 10, 1),
  LDST32_ABS_LO12_NC: unsignedField(12, 10, 2),
  LDST64_ABS_LO12_NC: unsignedField(12, 10, 3),
  LDST128_ABS_LO12_NC: unsignedField(12, 10, 4),
};

/** `blr` through a descriptor: linkers make it a nop when they know the offset. */
const REWRITTEN: Readonly<Record<string, NonNullable<RelocationFacts['rewritten']>>> = {
  TLSDESC_CALL: (_, at) => ({ start: at, end: at + 4 }),
  // bl __tls_get_addr has a relocation of its own; the nop behind it has none
  TLSGD_ADD_LO12_NC: (_, at) => ({ start: at, end: at + 12 }),
  TLSLD_ADD_LO12_NC: (_, at) => ({ start: at, end: at + 12 }),
};

export const R_AARCH64 = {
  NONE: 0,
  ABS64: 257,
  ABS32: 258,
  ABS16: 259,
  PREL64: 260,
  PREL32: 261,
  PREL16: 262,
  MOVW_UABS_G0: 263,
  MOVW_UABS_G0_NC: 264,
  MOVW_UABS_G1: 265,
  MOVW_UABS_G1_NC: 266,
  MOVW_UABS_G2: 267,
  MOVW_UABS_G2_NC: 268,
  MOVW_UABS_G3: 269,
  MOVW_SABS_G0: 270,
  MOVW_SABS_G1: 271,
  MOVW_SABS_G2: 272,
  LD_PREL_LO19: 273,
  ADR_PREL_LO21: 274,
  ADR_PREL_PG_HI21: 275,
  ADR_PREL_PG_HI21_NC: 276,
  ADD_ABS_LO12_NC: 277,
  LDST8_ABS_LO12_NC: 278,
  TSTBR14: 279,
  CONDBR19: 280,
  JUMP26: 282,
  CALL26: 283,
  LDST16_ABS_LO12_NC: 284,
  LDST32_ABS_LO12_NC: 285,
  LDST64_ABS_LO12_NC: 286,
  LDST128_ABS_LO12_NC: 299,
  GOT_LD_PREL19: 309,
  ADR_GOT_PAGE: 311,
  LD64_GOT_LO12_NC: 312,
  LD64_GOTPAGE_LO15: 313,
  PLT32: 314,
  TLSGD_ADR_PAGE21: 513,
  TLSGD_ADD_LO12_NC: 514,
  TLSLD_ADR_PAGE21: 518,
  TLSLD_ADD_LO12_NC: 519,
  TLSLD_ADD_DTPREL_HI12: 528,
  TLSLD_ADD_DTPREL_LO12: 529,
  TLSLD_ADD_DTPREL_LO12_NC: 530,
  TLSIE_ADR_GOTTPREL_PAGE21: 541,
  TLSIE_LD64_GOTTPREL_LO12_NC: 542,
  TLSIE_LD_GOTTPREL_PREL19: 543,
  TLSLE_MOVW_TPREL_G2: 544,
  TLSLE_MOVW_TPREL_G1: 545,
  TLSLE_MOVW_TPREL_G1_NC: 546,
  TLSLE_MOVW_TPREL_G0: 547,
  TLSLE_MOVW_TPREL_G0_NC: 548,
  TLSLE_ADD_TPREL_HI12: 549,
  TLSLE_ADD_TPREL_LO12: 550,
  TLSLE_ADD_TPREL_LO12_NC: 551,
  TLSDESC_ADR_PAGE21: 562,
  TLSDESC_LD64_LO12: 563,
  TLSDESC_ADD_LO12: 564,
  TLSDESC_CALL: 569,
  TLSLE_LDST8_TPREL_LO12_NC: 553,
  TLSLE_LDST16_TPREL_LO12_NC: 555,
  TLSLE_LDST32_TPREL_LO12_NC: 557,
  TLSLE_LDST64_TPREL_LO12_NC: 559,
  TLSLE_LDST128_TPREL_LO12_NC: 571,
  COPY: 1024,
  GLOB_DAT: 1025,
  JUMP_SLOT: 1026,
  RELATIVE: 1027,
  TLS_DTPMOD: 1028,
  TLS_DTPREL: 1029,
  TLS_TPREL: 1030,
  TLSDESC: 1031,
  IRELATIVE: 1032,
} as const;

const table: [name: keyof typeof R_AARCH64, ReferenceKind, Formula, size: number, Store][] = [
  ['NONE', 'none', 'none', 0, nothing],
  // 5.7 Static data
  ['ABS64', 'address', 'S+A', 8, store64],
  ['ABS32', 'address', 'S+A', 4, data32],
  ['ABS16', 'address', 'S+A', 2, data16],
  ['PREL64', 'address', 'S+A-P', 8, store64],
  ['PREL32', 'address', 'S+A-P', 4, data32],
  ['PREL16', 'address', 'S+A-P', 2, data16],
  ['PLT32', 'call', 'S+A-P', 4, signed32],
  // 5.8 MOVZ, MOVK, MOVN
  ['MOVW_UABS_G0', 'address', 'S+A', 4, movw(0, true)],
  ['MOVW_UABS_G0_NC', 'address', 'S+A', 4, movw(0, false)],
  ['MOVW_UABS_G1', 'address', 'S+A', 4, movw(1, true)],
  ['MOVW_UABS_G1_NC', 'address', 'S+A', 4, movw(1, false)],
  ['MOVW_UABS_G2', 'address', 'S+A', 4, movw(2, true)],
  ['MOVW_UABS_G2_NC', 'address', 'S+A', 4, movw(2, false)],
  ['MOVW_UABS_G3', 'address', 'S+A', 4, movw(3, false)],
  ['MOVW_SABS_G0', 'address', 'S+A', 4, movwSigned(0, 17)],
  ['MOVW_SABS_G1', 'address', 'S+A', 4, movwSigned(1, 33)],
  ['MOVW_SABS_G2', 'address', 'S+A', 4, movwSigned(2, 49)],
  // 5.9 PC-relative addresses and loads and stores
  ['LD_PREL_LO19', 'address', 'S+A-P', 4, branch(19, 5)],
  ['ADR_PREL_LO21', 'address', 'S+A-P', 4, adr],
  ['ADR_PREL_PG_HI21', 'address', 'Page(S+A)-Page(P)', 4, adrp],
  ['ADR_PREL_PG_HI21_NC', 'address', 'Page(S+A)-Page(P)', 4, adrpUnchecked],
  ['ADD_ABS_LO12_NC', 'address', 'Page offset(S+A)', 4, low12(0)],
  ['LDST8_ABS_LO12_NC', 'address', 'Page offset(S+A)', 4, low12(0)],
  ['LDST16_ABS_LO12_NC', 'address', 'Page offset(S+A)', 4, low12(1)],
  ['LDST32_ABS_LO12_NC', 'address', 'Page offset(S+A)', 4, low12(2)],
  ['LDST64_ABS_LO12_NC', 'address', 'Page offset(S+A)', 4, low12(3)],
  ['LDST128_ABS_LO12_NC', 'address', 'Page offset(S+A)', 4, low12(4)],
  // 5.10 Control flow
  ['TSTBR14', 'address', 'S+A-P', 4, branch(14, 5)],
  ['CONDBR19', 'address', 'S+A-P', 4, branch(19, 5)],
  ['JUMP26', 'call', 'S+A-P', 4, branch(26, 0)],
  ['CALL26', 'call', 'S+A-P', 4, branch(26, 0)],
  // 5.11 The GOT
  ['GOT_LD_PREL19', 'got', 'S+A-P', 4, branch(19, 5)],
  ['ADR_GOT_PAGE', 'got', 'Page(S+A)-Page(P)', 4, adrp],
  ['LD64_GOT_LO12_NC', 'got', 'Page offset(S+A)', 4, low12(3)],
  ['LD64_GOTPAGE_LO15', 'got', 'S+A-Page(GOT)', 4, scaled15],
  // 5.15 Thread-local storage
  ['TLSGD_ADR_PAGE21', 'tls-gd', 'Page(S+A)-Page(P)', 4, adrp],
  ['TLSGD_ADD_LO12_NC', 'tls-gd', 'Page offset(S+A)', 4, low12(0)],
  ['TLSLD_ADR_PAGE21', 'tls-ld', 'Page(S+A)-Page(P)', 4, adrp],
  ['TLSLD_ADD_LO12_NC', 'tls-ld', 'Page offset(S+A)', 4, low12(0)],
  ['TLSLD_ADD_DTPREL_HI12', 'tls-dtpoff', 'S+A', 4, high12],
  ['TLSLD_ADD_DTPREL_LO12', 'tls-dtpoff', 'S+A', 4, low12Checked],
  ['TLSLD_ADD_DTPREL_LO12_NC', 'tls-dtpoff', 'S+A', 4, low12(0)],
  ['TLSIE_ADR_GOTTPREL_PAGE21', 'tls-gottpoff', 'Page(S+A)-Page(P)', 4, adrp],
  ['TLSIE_LD64_GOTTPREL_LO12_NC', 'tls-gottpoff', 'Page offset(S+A)', 4, low12(3)],
  ['TLSIE_LD_GOTTPREL_PREL19', 'tls-gottpoff', 'S+A-P', 4, branch(19, 5)],
  ['TLSLE_MOVW_TPREL_G2', 'tls-tpoff', 'S+A', 4, movwSigned(2, 49)],
  ['TLSLE_MOVW_TPREL_G1', 'tls-tpoff', 'S+A', 4, movwSigned(1, 33)],
  ['TLSLE_MOVW_TPREL_G1_NC', 'tls-tpoff', 'S+A', 4, movw(1, false)],
  ['TLSLE_MOVW_TPREL_G0', 'tls-tpoff', 'S+A', 4, movwSigned(0, 17)],
  ['TLSLE_MOVW_TPREL_G0_NC', 'tls-tpoff', 'S+A', 4, movw(0, false)],
  ['TLSLE_ADD_TPREL_HI12', 'tls-tpoff', 'S+A', 4, high12],
  ['TLSLE_ADD_TPREL_LO12', 'tls-tpoff', 'S+A', 4, low12Checked],
  ['TLSLE_ADD_TPREL_LO12_NC', 'tls-tpoff', 'S+A', 4, low12(0)],
  ['TLSLE_LDST8_TPREL_LO12_NC', 'tls-tpoff', 'S+A', 4, low12(0)],
  ['TLSLE_LDST16_TPREL_LO12_NC', 'tls-tpoff', 'S+A', 4, low12(1)],
  ['TLSLE_LDST32_TPREL_LO12_NC', 'tls-tpoff', 'S+A', 4, low12(2)],
  ['TLSLE_LDST64_TPREL_LO12_NC', 'tls-tpoff', 'S+A', 4, low12(3)],
  ['TLSLE_LDST128_TPREL_LO12_NC', 'tls-tpoff', 'S+A', 4, low12(4)],
  ['TLSDESC_ADR_PAGE21', 'tls-desc', 'Page(S+A)-Page(P)', 4, adrp],
  ['TLSDESC_LD64_LO12', 'tls-desc', 'Page offset(S+A)', 4, low12(3)],
  ['TLSDESC_ADD_LO12', 'tls-desc', 'Page offset(S+A)', 4, low12(0)],
  ['TLSDESC_CALL', 'tls-desc-call', 'none', 0, nothing],
];

/** Every type that gcc, clang and gas put into an object file for code in the small model. */
export const relocations: ReadonlyMap<number, RelocationFacts> = new Map(
  table.map(([name, reference, formula, size, store]) => [
    R_AARCH64[name],
    {
      name: `R_AARCH64_${name}`,
      reference,
      formula,
      size,
      store,
      ...(LOADS[name] && { load: LOADS[name] }),
      ...(REWRITTEN[name] && { rewritten: REWRITTEN[name] }),
    },
  ]),
);
