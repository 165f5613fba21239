/**
 * GNU assembler text for x86_64 as gcc and clang print it ("Using as", 9.16 80386 Dependent Features). In AT&T syntax
 * registers carry a '%', so that only Intel syntax needs the list of words that are no symbols.
 */
import type { Assembly } from '../arch.ts';

const numbered = (prefix: string, count: number, suffixes: readonly string[] = ['']) =>
  Array.from({ length: count }, (_, i) => suffixes.map((suffix) => `${prefix}${i}${suffix}`)).flat();

const REGISTERS = new Set([
  ...['a', 'b', 'c', 'd'].flatMap((r) => [`r${r}x`, `e${r}x`, `${r}x`, `${r}l`, `${r}h`]),
  ...['si', 'di', 'bp', 'sp'].flatMap((r) => [`r${r}`, `e${r}`, r, `${r}l`]),
  ...numbered('r', 32, ['', 'd', 'w', 'b']).filter((r) => !/^r[0-7][dwb]?$/.test(r)),
  ...['rip', 'eip', 'ip', 'cs', 'ds', 'es', 'fs', 'gs', 'ss', 'st', 'riz', 'eiz'],
  ...['xmm', 'ymm', 'zmm'].flatMap((r) => numbered(r, 32)),
  ...['mm', 'k', 'tmm', 'bnd', 'st'].flatMap((r) => numbered(r, 8)),
  ...['cr', 'dr', 'tr'].flatMap((r) => numbered(r, 16)),
]);

/** Words of Intel syntax operands, lower case. */
const OPERAND_WORDS = new Set([
  ...['ptr', 'offset', 'flat', 'short', 'near', 'far', 'byte', 'word', 'dword', 'qword', 'tbyte', 'fword'],
  ...['oword', 'mmword', 'xmmword', 'ymmword', 'zmmword', 'not', 'and', 'or', 'xor', 'shl', 'shr', 'mod'],
  ...['eq', 'ne', 'lt', 'le', 'gt', 'ge', 'bcst'],
]);

const PREFIXES = new Set([
  ...['lock', 'rep', 'repe', 'repz', 'repne', 'repnz', 'notrack', 'bnd', 'data16', 'addr32', 'rex64', 'rex'],
  ...['xacquire', 'xrelease', 'cs', 'ds', 'es', 'fs', 'gs', 'ss', 'rex.w', 'wait'],
]);

export const assembly: Assembly = {
  lineComment: ['#'],
  typePrefix: '@',
  separator: ';',
  relocationSuffix: '@',
  relocationPrefix: undefined,
  pointerDirectives: ['.quad', '.8byte'],
  alignIsPower: false,
  threadOperator: /@(tls(gd|ld|desc|call)|tpoff|gottpoff|dtpoff|gotntpoff|indntpoff|ntpoff)\b/i,
  bareRegisters: false,
  isRegister(word) {
    const lower = word.toLowerCase();
    return REGISTERS.has(lower) || OPERAND_WORDS.has(lower);
  },
  takesLabel: () => false,
  modeDirectives: [],
  layoutDependence: [],
  isPrefix: (word) => PREFIXES.has(word.toLowerCase()),
};
