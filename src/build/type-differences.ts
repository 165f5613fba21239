/**
 * What a fix changes in types, as far as debug information tells. Code that the patch replaces would read live data
 * by the new layout: nothing in assembler text shows that, so it is looked for here.
 */
import { inflateSync } from 'node:zlib';
import { SutureError } from '../base/errors.ts';
import { debugSectionsOf } from '../dwarf/debug-sections.ts';
import {
  compareTypes,
  type SignatureChange,
  type TypeChange,
  type VariableTypeChange,
} from '../dwarf/type-changes.ts';
import { readTypeInfo, type TypeInfo, type TypeLayout } from '../dwarf/types.ts';
import type { ElfImage } from '../elf/image.ts';
import type { Acceptance } from './acceptance.ts';
import type { Refused } from './result.ts';
import type { SourceWords } from './source-words.ts';

export interface TypeFindings {
  readonly refused: readonly Refused[];
  readonly warnings: readonly string[];
  /** Functions that take or return something else than before, by symbol: both prototypes. */
  readonly signatures: ReadonlyMap<string, SignatureChange>;
}

/** Compares the types of both versions of a unit; nothing is found when they were compiled without -g. */
export function typeDifferences(
  unit: string,
  original: ElfImage,
  patched: ElfImage,
  acceptance: Acceptance,
  words: Pick<SourceWords, 'declared'>,
): TypeFindings {
  const refused: Refused[] = [];
  const warnings: string[] = [];
  const signatures = new Map<string, SignatureChange>();
  try {
    const [before, after] = [typesOf(original), typesOf(patched)];
    if (before === undefined || after === undefined) return { refused, warnings, signatures };
    for (const change of compareTypes(before, after)) {
      if (change.kind === 'signature') signatures.set(change.function, change);
      if (change.kind === 'variable') {
        if (sameMeaning(change.before, change.after)) warnings.push(inWords(unit, change));
        else if (acceptance.data(plainName(change))) warnings.push(acceptedVariable(unit, change));
        else refused.push(refusedVariable(unit, change, words.declared(plainName(change))));
      } else if (!isLayout(change, before, after)) warnings.push(inWords(unit, change));
      else if (acceptance.layout(change.type)) warnings.push(acceptedLayout(unit, change));
      else refused.push(refusedLayout(unit, change, words.declared(change.type)));
    }
  } catch (error) {
    if (!(error instanceof SutureError)) throw error;
    warnings.push(`${unit}: types were not compared: ${error.message}`);
  }
  return { refused, warnings, signatures };
}

function typesOf(image: ElfImage): TypeInfo | undefined {
  const sections = debugSectionsOf(image, (bytes) => new Uint8Array(inflateSync(bytes)));
  return sections === undefined ? undefined : readTypeInfo(sections);
}

type LayoutChange = Extract<TypeChange, { kind: 'layout' }>;

/** Whether values that running processes hold mean something else by the new declaration. */
function isLayout(change: TypeChange, before: TypeInfo, after: TypeInfo): change is LayoutChange {
  if (change.kind !== 'layout') return false;
  const [was, is] = [before.types.get(change.type), after.types.get(change.type)];
  return was?.kind !== 'enum' || is === undefined || isRenumbered(was, is);
}

/** An enum often closes with a "how many" that moves when one is added before it: that one may, if it stays the last. */
function isRenumbered(was: TypeLayout, is: TypeLayout): boolean {
  const numbers = new Map(is.fields.map(({ name, bitOffset }) => [name, bitOffset]));
  const isLast = (name: string, { fields }: TypeLayout): boolean => {
    const number = fields.find((field) => field.name === name)?.bitOffset;
    return number !== undefined && fields.every((each) => each.name === name || each.bitOffset < number);
  };
  return was.fields.some(({ name, bitOffset }) => {
    const number = numbers.get(name);
    return number !== undefined && number !== bitOffset && !(isLast(name, was) && isLast(name, is));
  });
}

/**
 * What a pointer may be used for is no matter of what it holds; a function keeps its address whatever it takes; and an
 * array's length is seen where the array is defined.
 */
function sameMeaning(before: string, after: string): boolean {
  const plain = (type: string): string =>
    type.replaceAll(/\b(const|volatile) /g, '').replace(/^.*\) (\*(\[\d*\])*)$/s, 'function $1');
  const [was, is] = [plain(before), plain(after)];
  const element = (type: string): string => type.replace(/\[\d*\]/, '[]');
  return was === is || ((was.includes('[]') || is.includes('[]')) && element(was) === element(is));
}

/** As the source calls it: a static local is reported with its function. */
const plainName = ({ variable }: VariableTypeChange): string => variable.replace(/ in .*/s, '');

function acceptedVariable(unit: string, { variable, before, after }: VariableTypeChange): string {
  return `${unit}: accepted: the type of ${variable} changes from ${before} to ${after}; the new code reads what running processes hold as ${after}`;
}

function refusedVariable(unit: string, change: VariableTypeChange, declared: string | undefined): Refused {
  const { variable, before, after } = change;
  const name = plainName(change);
  return {
    unit,
    what: `the type of ${variable} changes from ${before} to ${after}, and running processes hold what it was`,
    where: declared ?? name,
    remedy: `keep the variable as it is and add a new one beside it; if what it holds means the same by both types, --accept-data ${name}`,
  };
}

function layoutInWords({ type, sizes, fields }: LayoutChange): string {
  const size = sizes[0] === sizes[1] ? '' : `${sizes[0]} bytes become ${sizes[1]}: `;
  return `the layout of ${type} changes (${size}${fields.join('; ')})`;
}

function acceptedLayout(unit: string, change: LayoutChange): string {
  return `${unit}: accepted: ${layoutInWords(change)}; the new code reads what running processes hold by the new layout`;
}

function refusedLayout(unit: string, change: LayoutChange, declared: string | undefined): Refused {
  const { type } = change;
  return {
    unit,
    what: `${layoutInWords(change)}, and running processes hold it as it was`,
    where: declared ?? type,
    remedy: `keep the type as it is and hold what is new beside it, for example in a table by address; if no process holds one when the patch comes, --accept-layout '${type}'`,
  };
}

function inWords(unit: string, change: TypeChange): string {
  switch (change.kind) {
    case 'layout':
      return `${unit}: values of ${change.type} change: ${change.fields.join('; ')}`;
    case 'signature':
      return `${unit}: ${change.before} becomes ${change.after}: a caller outside of the recompiled units would not know`;
    case 'variable':
      return `${unit}: the type of ${change.variable} changes from ${change.before} to ${change.after}`;
    default:
      return change satisfies never;
  }
}
