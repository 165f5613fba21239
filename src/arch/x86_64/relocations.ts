/**
 * Relocation types of x86_64. psABI x86-64 1.0, 4.4 "Relocation", table 4.9; the TLS types are those of "ELF Handling
 * For Thread-Local Storage" 4.4.6 and of the psABI's 4.4.1.
 *
 * Overflow: a 32-bit field that the CPU zero-extends (R_X86_64_32) must hold an unsigned value, one that it
 * sign-extends (32S, everything pc-relative) a signed one; fields of 8 and 16 bits are read both ways by the
 * directives that make them, so that either reading is accepted, as linkers do.
 */
import type { Formula, ReferenceKind, RelocationFacts } from '../arch.ts';
import { rewritten } from './relaxation.ts';

type Store = RelocationFacts['store'];

/** Full width: addition wraps, nothing overflows. */
const store64: Store = (view, at, value) => {
  view.setBigUint64(at, BigInt.asUintN(64, value), true);
  return true;
};

const fitsSigned = (value: bigint, bits: number): boolean =>
  BigInt.asIntN(bits, value) === BigInt.asIntN(64, value);
const fitsUnsigned = (value: bigint, bits: number): boolean =>
  BigInt.asUintN(bits, value) === BigInt.asUintN(64, value);

const signed32: Store = (view, at, value) => {
  if (!fitsSigned(value, 32)) return false;
  view.setInt32(at, Number(BigInt.asIntN(32, value)), true);
  return true;
};

const unsigned32: Store = (view, at, value) => {
  if (!fitsUnsigned(value, 32)) return false;
  view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  return true;
};

const either16: Store = (view, at, value) => {
  if (!fitsSigned(value, 16) && !fitsUnsigned(value, 16)) return false;
  view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
  return true;
};

const signed16: Store = (view, at, value) => fitsSigned(value, 16) && either16(view, at, value);

const either8: Store = (view, at, value) => {
  if (!fitsSigned(value, 8) && !fitsUnsigned(value, 8)) return false;
  view.setUint8(at, Number(BigInt.asUintN(8, value)));
  return true;
};

const signed8: Store = (view, at, value) => fitsSigned(value, 8) && either8(view, at, value);

const nothing: Store = () => true;

type Load = NonNullable<RelocationFacts['load']>;
const LOAD: ReadonlyMap<Store, Load> = new Map<Store, Load>([
  [store64, (view, at) => view.getBigInt64(at, true)],
  [signed32, (view, at) => BigInt(view.getInt32(at, true))],
  [unsigned32, (view, at) => BigInt(view.getUint32(at, true))],
  [signed16, (view, at) => BigInt(view.getInt16(at, true))],
  [signed8, (view, at) => BigInt(view.getInt8(at))],
]);

/** Numbers of the types that other parts of this folder name. */
export const R_X86_64 = {
  NONE: 0,
  64: 1,
  PC32: 2,
  GOT32: 3,
  PLT32: 4,
  COPY: 5,
  GLOB_DAT: 6,
  JUMP_SLOT: 7,
  RELATIVE: 8,
  GOTPCREL: 9,
  32: 10,
  '32S': 11,
  16: 12,
  PC16: 13,
  8: 14,
  PC8: 15,
  DTPMOD64: 16,
  DTPOFF64: 17,
  TPOFF64: 18,
  TLSGD: 19,
  TLSLD: 20,
  DTPOFF32: 21,
  GOTTPOFF: 22,
  TPOFF32: 23,
  PC64: 24,
  GOTOFF64: 25,
  GOTPC32: 26,
  GOT64: 27,
  GOTPCREL64: 28,
  GOTPC64: 29,
  PLTOFF64: 31,
  SIZE32: 32,
  SIZE64: 33,
  GOTPC32_TLSDESC: 34,
  TLSDESC_CALL: 35,
  TLSDESC: 36,
  IRELATIVE: 37,
  GOTPCRELX: 41,
  REX_GOTPCRELX: 42,
} as const;

const table: [
  name: `${keyof typeof R_X86_64}`,
  ReferenceKind,
  Formula,
  size: number,
  Store,
  relaxable?: boolean,
][] = [
  ['NONE', 'none', 'none', 0, nothing],
  ['64', 'address', 'S+A', 8, store64],
  ['PC32', 'address', 'S+A-P', 4, signed32],
  ['GOT32', 'got', 'S+A-GOT', 4, signed32],
  ['PLT32', 'call', 'S+A-P', 4, signed32],
  ['GOTPCREL', 'got', 'S+A-P', 4, signed32],
  ['32', 'address', 'S+A', 4, unsigned32],
  ['32S', 'address', 'S+A', 4, signed32],
  ['16', 'address', 'S+A', 2, either16],
  ['PC16', 'address', 'S+A-P', 2, signed16],
  ['8', 'address', 'S+A', 1, either8],
  ['PC8', 'address', 'S+A-P', 1, signed8],
  ['DTPOFF64', 'tls-dtpoff', 'S+A', 8, store64],
  ['TPOFF64', 'tls-tpoff', 'S+A', 8, store64],
  ['TLSGD', 'tls-gd', 'S+A-P', 4, signed32],
  ['TLSLD', 'tls-ld', 'S+A-P', 4, signed32],
  ['DTPOFF32', 'tls-dtpoff', 'S+A', 4, signed32],
  ['GOTTPOFF', 'tls-gottpoff', 'S+A-P', 4, signed32],
  ['TPOFF32', 'tls-tpoff', 'S+A', 4, signed32],
  ['PC64', 'address', 'S+A-P', 8, store64],
  ['GOTOFF64', 'address', 'S+A-GOT', 8, store64],
  ['GOTPC32', 'none', 'GOT+A-P', 4, signed32],
  ['GOT64', 'got', 'S+A-GOT', 8, store64],
  ['GOTPCREL64', 'got', 'S+A-P', 8, store64],
  ['GOTPC64', 'none', 'GOT+A-P', 8, store64],
  ['PLTOFF64', 'call', 'S+A-GOT', 8, store64],
  ['SIZE32', 'size', 'S+A', 4, unsigned32],
  ['SIZE64', 'size', 'S+A', 8, store64],
  ['GOTPC32_TLSDESC', 'tls-desc', 'S+A-P', 4, signed32],
  ['TLSDESC_CALL', 'tls-desc-call', 'none', 0, nothing],
  ['GOTPCRELX', 'got', 'S+A-P', 4, signed32, true],
  ['REX_GOTPCRELX', 'got', 'S+A-P', 4, signed32, true],
];

/** Every type that gcc, clang and gas put into an object file. COPY, GLOB_DAT and the like occur in linked ones only. */
export const relocations: ReadonlyMap<number, RelocationFacts> = new Map(
  table.map(([name, reference, formula, size, store, relaxable = false]) => {
    const load = LOAD.get(store);
    const window = rewritten[`R_X86_64_${name}`];
    return [
      R_X86_64[name],
      {
        ...{ name: `R_X86_64_${name}`, reference, formula, size, store, relaxable },
        ...(load && { load }),
        ...(window && { rewritten: window }),
      },
    ];
  }),
);
