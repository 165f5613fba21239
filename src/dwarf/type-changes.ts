/** What changed in the layouts and signatures of a unit, in words that name the fields that moved. */
import type { Field, Signature, TypeInfo, TypeLayout } from './types.ts';

export interface LayoutChange {
  readonly kind: 'layout';
  /** e.g. `struct session`. */
  readonly type: string;
  /** Bytes. */
  readonly sizes: readonly [before: number, after: number];
  /** One sentence per field that moved, came, went or changed its type. */
  readonly fields: readonly string[];
}

export interface SignatureChange {
  readonly kind: 'signature';
  readonly function: string;
  readonly before: string;
  readonly after: string;
}

export interface VariableTypeChange {
  readonly kind: 'variable';
  readonly variable: string;
  readonly before: string;
  readonly after: string;
}

export type TypeChange = LayoutChange | SignatureChange | VariableTypeChange;

/** Differences in whatever both versions declare; what only one of them declares harms nobody. */
export function compareTypes(original: TypeInfo, patched: TypeInfo): TypeChange[] {
  const changes: TypeChange[] = [];
  for (const [name, before] of original.types) {
    const after = patched.types.get(name);
    if (after === undefined) continue;
    const fields = describeLayoutChange(before, after);
    if (fields.length > 0 || before.size !== after.size) {
      changes.push({ kind: 'layout', type: name, sizes: [before.size, after.size], fields });
    }
  }
  for (const [name, before] of original.functions) {
    const after = patched.functions.get(name);
    if (after === undefined) continue;
    const [was, is] = [prototype(before), prototype(after)];
    if (was !== is) changes.push({ kind: 'signature', function: name, before: was, after: is });
  }
  for (const [variable, before] of original.variables) {
    const after = patched.variables.get(variable);
    if (after !== undefined && before !== after) changes.push({ kind: 'variable', variable, before, after });
  }
  return changes;
}

const prototype = ({ name, returns, parameters }: Signature): string =>
  `${returns} ${name}(${parameters.length === 0 ? 'void' : parameters.join(', ')})`;

function describeLayoutChange(before: TypeLayout, after: TypeLayout): string[] {
  const sentences: string[] = [];
  const afterByName = new Map(named(after.fields).map((field) => [field.name, field]));
  const beforeFields = named(before.fields);
  const beforeNames = new Set(beforeFields.map(({ name }) => name));
  const isEnum = before.kind === 'enum';
  for (const was of beforeFields) {
    const is = afterByName.get(was.name);
    if (is === undefined) sentences.push(`${was.name} is gone`);
    else sentences.push(...describeFieldChange(was, is, isEnum));
  }
  // A new enumerator changes no value that exists.
  if (!isEnum) {
    for (const { name, bitOffset, type } of afterByName.values()) {
      if (!beforeNames.has(name)) sentences.push(`${name} is new (${type} at ${place(bitOffset)})`);
    }
  }
  if (before.virtuals.join() !== after.virtuals.join()) {
    sentences.push(`its virtual methods were ${list(before.virtuals)} and are ${list(after.virtuals)}`);
  }
  return sentences;
}

function describeFieldChange(was: Field, is: Field, isEnum: boolean): string[] {
  const sentences: string[] = [];
  if (was.bitOffset !== is.bitOffset) {
    sentences.push(
      isEnum
        ? `${was.name} was ${was.bitOffset} and is ${is.bitOffset}`
        : `${was.name} moved from ${place(was.bitOffset)} to ${place(is.bitOffset)}`,
    );
  }
  if (was.type !== is.type) sentences.push(`${was.name} was ${was.type} and is ${is.type}`);
  if (was.bitSize !== is.bitSize) {
    sentences.push(`${was.name} was ${was.bitSize ?? 'whole'} bits wide and is ${is.bitSize ?? 'whole'}`);
  }
  return sentences;
}

const place = (bitOffset: number): string =>
  bitOffset % 8 === 0 ? `byte ${bitOffset / 8}` : `byte ${Math.floor(bitOffset / 8)} bit ${bitOffset % 8}`;
const list = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));

/** Nameless members (C11 anonymous structs and unions) are told apart by their order. */
function named(fields: readonly Field[]): Field[] {
  let nameless = 0;
  return fields.map((field) =>
    field.name === '' ? { ...field, name: `nameless member ${++nameless}` } : field,
  );
}
