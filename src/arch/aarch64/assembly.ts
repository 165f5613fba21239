/**
 * GNU assembler text for AArch64 as gcc and clang print it ("Using as", 9.1 AArch64 Dependent Features). Registers carry
 * no sign, and C's names may be the same words: `adrp x0, x1` takes the address of a variable x1. So words count by their
 * place: behind a relocation operator and as the operand that a branch or an address takes, every word is a symbol; in
 * other operands of instructions, none of those listed here is.
 */
import type { Assembly } from '../arch.ts';

const WORDS = new Set([
  ...[
    'xzr',
    'wzr',
    'sp',
    'wsp',
    'lr',
    'fp',
    'ip0',
    'ip1',
    'ffr',
    'nzcv',
    'fpcr',
    'fpsr',
    'daif',
    'currentel',
  ],
  // Shifts and extensions
  ...['lsl', 'lsr', 'asr', 'ror', 'msl', 'uxtb', 'uxth', 'uxtw', 'uxtx', 'sxtb', 'sxth', 'sxtw', 'sxtx'],
  // Conditions
  ...[
    'eq',
    'ne',
    'cs',
    'hs',
    'cc',
    'lo',
    'mi',
    'pl',
    'vs',
    'vc',
    'hi',
    'ls',
    'ge',
    'lt',
    'gt',
    'le',
    'al',
    'nv',
  ],
  ...['none', 'any', 'nlast', 'last', 'first', 'nfrst', 'pmore', 'plast', 'tcont', 'tstop'],
  // Barriers, targets of branches, SVE's predicates and patterns
  ...['sy', 'st', 'ld', 'ish', 'ishst', 'ishld', 'nsh', 'nshst', 'nshld', 'osh', 'oshst', 'oshld', 'csync'],
  ...['c', 'j', 'jc', 'z', 'm', 'mul', 'vl', 'pow2', 'mul3', 'mul4', 'all'],
]);
/** General, floating point, vector and predicate registers, vectors with their arrangement: x3, v0.16b, p0. */
const REGISTER = /^([xwbhsdqvzp]|pn|za)\d{0,2}(\.[a-z0-9]+)?$/;
/** System registers by exception level or number, prefetch operations, SVE vector lengths. */
const NAMED_OPERAND = /^(\w+_el\d+|s\d_\d_c\d+_c\d+_\d|p(ld|st|li)l[1-3](keep|strm)|vl\d+)$/;
const CONDITION = 'eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al|nv';
const SVE_CONDITION = 'none|any|nlast|last|first|nfrst|pmore|plast|tcont|tstop';
const TAKES_LABEL = new RegExp(
  `^(bl?|bc?\\.?(${CONDITION})|b\\.?(${SVE_CONDITION})|cbn?z|tbn?z|adrp?|ldr|ldrsw|prfm)$`,
);
const CACHE_OPERATION = /^(dc|ic|at|tlbi|sys)$/;

export const assembly: Assembly = {
  lineComment: ['//'],
  typePrefix: '%',
  separator: ';',
  relocationSuffix: undefined,
  relocationPrefix: ':',
  pointerDirectives: ['.quad', '.8byte', '.xword', '.dword'],
  bareRegisters: true,
  isRegister(word) {
    const lower = word.toLowerCase();
    return WORDS.has(lower) || REGISTER.test(lower) || NAMED_OPERAND.test(lower);
  },
  takesLabel: (mnemonic) => TAKES_LABEL.test(mnemonic.toLowerCase()),
  isPrefix: (word) => CACHE_OPERATION.test(word.toLowerCase()),
  modeDirectives: ['.arch', '.cpu', '.arch_extension'],
  alignIsPower: true,
  threadOperator: /:(tprel|gottprel|tlsdesc|tlsgd|tlsld|tlsldm|dtprel)(_\w+)?:|\.tlsdesccall\b/i,
  // gcc addresses static variables from one of them; clang puts them into one. Either depends on all of a unit's.
  layoutDependence: [
    { sign: '.LANCHOR', option: '-fno-section-anchors' },
    { sign: '_MergedGlobals', option: '-mno-global-merge' },
  ],
};
