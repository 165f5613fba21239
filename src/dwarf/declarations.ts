/** Where names are declared, as far as debug information tells: for messages to people. DWARF 5, 2.14. */
import { type AttributeValue, type DebugSections, type Die, debugInfoUnits } from './debug-info.ts';
import { DW_AT, DW_TAG } from './debug-info-constants.ts';

export interface Declaration {
  /** Number in the unit's list of files. */
  readonly file: number;
  readonly line: number;
}

const DECL_FILE = 0x3a;
const DECL_LINE = 0x3b;
const KEPT: ReadonlySet<number> = new Set([
  DW_AT.name,
  DW_AT.linkage_name,
  DW_AT.MIPS_linkage_name,
  DECL_FILE,
  DECL_LINE,
]);

/** Tags of what is found, and what stands before a type's name. */
const WORD_OF_TAG = new Map<number, string>([
  [DW_TAG.variable, ''],
  [DW_TAG.subprogram, ''],
  [DW_TAG.structure_type, 'struct '],
  [DW_TAG.union_type, 'union '],
  [DW_TAG.class_type, 'class '],
  [DW_TAG.enumeration_type, 'enum '],
]);

/**
 * Functions, variables (static ones of functions too) and types by symbol name or, for types, as `struct net::Buffer`. Of several
 * declarations of a name the last counts: what defines a variable stands behind what declares it. Throws BAD_FORMAT.
 */
export function declarationsOf(sections: DebugSections): Map<string, Declaration> {
  const found = new Map<string, Declaration>();
  for (const unit of debugInfoUnits(sections, KEPT)) collect(unit, '', found);
  return found;
}

function collect(die: Die, scope: string, found: Map<string, Declaration>): void {
  for (const child of die.children) {
    const name = textOf(child.attributes.get(DW_AT.name));
    const full = name === undefined ? scope : scope === '' ? name : `${scope}::${name}`;
    const file = child.attributes.get(DECL_FILE);
    const line = child.attributes.get(DECL_LINE);
    const word = WORD_OF_TAG.get(child.tag);
    if (word !== undefined && typeof file === 'number' && typeof line === 'number') {
      const symbol = textOf(
        child.attributes.get(DW_AT.linkage_name) ?? child.attributes.get(DW_AT.MIPS_linkage_name),
      );
      for (const each of [name === undefined ? undefined : word + full, symbol])
        if (each !== undefined) found.set(each, { file, line });
    }
    collect(child, SCOPES.has(child.tag) ? full : '', found);
  }
}

const SCOPES: ReadonlySet<number> = new Set([
  DW_TAG.namespace,
  DW_TAG.structure_type,
  DW_TAG.union_type,
  DW_TAG.class_type,
]);

const textOf = (value: AttributeValue | undefined): string | undefined =>
  typeof value === 'string' ? value : undefined;
