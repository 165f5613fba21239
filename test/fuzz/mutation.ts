/** Changes to bytes, texts and JSON that keep most of the structure, so that they get past the first check. */
import type { Chance } from './chance.ts';

/** Values that parsers stumble over. */
const NASTY = [
  0n,
  1n,
  2n,
  7n,
  8n,
  24n,
  0x7fn,
  0x80n,
  0xffn,
  0xfff1n,
  0x7fffn,
  0xffffn,
  0x1000n,
  0x7fff_ffffn,
  0x8000_0000n,
  0xffff_fff0n,
  0xffff_ffffn,
  0x1_0000_0000n,
  0x7fff_ffff_ffffn,
  0x7fff_ffff_ffff_ffffn,
  0x8000_0000_0000_0000n,
  0xffff_ffff_ffff_fff8n,
  0xffff_ffff_ffff_ffffn,
];

/** A part of a file whose fields matter: a table, a header. `step` is the size of its rows. */
export interface Field {
  readonly at: number;
  readonly size: number;
  readonly step: number;
}

const SIZES = [1, 2, 4, 4, 8, 8];

/** A copy with one to six changes, most of them to fields of the given parts. */
export function mutatedBytes(bytes: Uint8Array, fields: readonly Field[], chance: Chance): Uint8Array {
  let out = bytes.slice();
  for (let changes = 1 + chance.below(6); changes > 0 && out.length > 16; changes--) {
    const field = fields.length > 0 && chance.below(4) > 0 ? chance.of(fields) : undefined;
    const start = field?.at ?? 0;
    const length = Math.max(1, Math.min(field?.size ?? out.length, out.length - start));
    const at = start + chance.below(length);
    switch (chance.below(12)) {
      case 0:
        out = out.subarray(0, at);
        break;
      case 1: {
        const step = field?.step ?? 8;
        const row = (where: number) => start + Math.floor((where - start) / step) * step;
        const from = row(start + chance.below(length));
        if (from >= 0 && row(at) >= 0) out.copyWithin(row(at), from, from + step);
        break;
      }
      case 2:
        out[at] = chance.below(256);
        break;
      case 3:
        out[at] = (out[at] ?? 0) ^ (1 << chance.below(8));
        break;
      default:
        writeWord(out, at, chance);
    }
  }
  return out;
}

function writeWord(out: Uint8Array, near: number, chance: Chance): void {
  const size = chance.of(SIZES);
  const at = near & -size;
  if (at < 0 || at + size > out.length) return;
  const view = new DataView(out.buffer, out.byteOffset, out.length);
  const old =
    size === 8 ? view.getBigUint64(at, true) : BigInt(size === 4 ? view.getUint32(at, true) : (out[at] ?? 0));
  const value =
    chance.below(3) === 0
      ? old + BigInt(chance.below(33) - 16)
      : chance.below(8) === 0
        ? BigInt(chance.below(1 << 16))
        : chance.of(NASTY);
  if (size === 8) view.setBigUint64(at, BigInt.asUintN(64, value), true);
  else if (size === 4) view.setUint32(at, Number(BigInt.asUintN(32, value)), true);
  else if (size === 2) view.setUint16(at, Number(BigInt.asUintN(16, value)), true);
  else view.setUint8(at, Number(BigInt.asUintN(8, value)));
}

const WORDS = [
  '',
  ' ',
  '\n',
  '\t',
  '"',
  '-',
  '+',
  '@@',
  '0',
  '-1',
  '99999999999999999999',
  '0x',
  '\\',
  '/',
  '..',
  '#',
  ';',
  ':',
  ',',
  '(',
  ')',
  '%',
  '$',
  '.',
  '.L',
  '.section',
  '.size',
  '.endr',
  '.rept 9',
  '.macro',
  '.cfi_startproc',
  '\u0000',
  'é',
  '[',
  '}',
  '--- a/x',
  '+++ b/x',
  '@@ -1 +1 @@',
  '/dev/null',
];

/** A copy with one to five changes: words put in, lines doubled, swapped or dropped, pieces cut. */
export function mutatedText(text: string, chance: Chance): string {
  let out = text;
  for (let changes = 1 + chance.below(5); changes > 0; changes--) {
    const at = chance.below(out.length + 1);
    switch (chance.below(6)) {
      case 0:
        out = out.slice(0, at) + chance.of(WORDS) + out.slice(at);
        break;
      case 1:
        out = out.slice(0, at) + out.slice(at + 1 + chance.below(12));
        break;
      case 2:
        out = out.slice(0, at) + String.fromCharCode(chance.below(256)) + out.slice(at + 1);
        break;
      case 3: {
        const lines = out.split('\n');
        lines.splice(chance.below(lines.length), chance.below(3), lines[chance.below(lines.length)]!);
        out = lines.join('\n');
        break;
      }
      case 4:
        out = out.slice(0, at);
        break;
      default:
        out = out.replace(/\d+/g, (digits) =>
          chance.below(12) === 0 ? chance.of(WORDS) + chance.of(NASTY) : digits,
        );
    }
  }
  return out;
}

const VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53,
  1e308,
  '',
  'x',
  '0x0',
  '0xffffffffffffffff',
  '0x1g',
  'a\nb',
  '\u001b[2J',
  'A'.repeat(300),
  [],
  {},
  [[]],
  { kind: 'new' },
];

/** A copy with one to three values changed, dropped, doubled or moved. */
export function mutatedJson(value: unknown, chance: Chance): unknown {
  const copy = structuredClone(value);
  for (let changes = 1 + chance.below(3); changes > 0; changes--) mutateIn(copy, chance);
  return copy;
}

function mutateIn(value: unknown, chance: Chance): void {
  if (typeof value !== 'object' || value === null) return;
  const keys = Object.keys(value);
  const holder = value as Record<string, unknown>;
  const key = keys.length === 0 ? 'key' : chance.of(keys);
  const inner = holder[key];
  if (typeof inner === 'object' && inner !== null && chance.below(4) > 0) {
    mutateIn(inner, chance);
    return;
  }
  switch (chance.below(6)) {
    case 0:
      if (Array.isArray(value)) value.splice(chance.below(value.length + 1), 1);
      else delete holder[key];
      break;
    case 1:
      if (Array.isArray(value)) value.push(structuredClone(inner));
      else holder[`${key}2`] = structuredClone(inner);
      break;
    case 2:
      if (typeof inner === 'number') holder[key] = inner + chance.below(65) - 32;
      else if (typeof inner === 'string')
        holder[key] = inner.slice(0, chance.below(inner.length + 1)) + chance.of(['', '0', 'f', ' ', '/']);
      break;
    case 3:
      holder[key] = structuredClone(holder[chance.of(keys.length === 0 ? ['key'] : keys)]);
      break;
    default:
      // A copy: what a later change does to it must not reach the next input.
      holder[key] = structuredClone(chance.of(VALUES));
  }
}
