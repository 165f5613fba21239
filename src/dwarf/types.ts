/**
 * The layouts of the types, and the signatures of the functions, that a compiled unit declares: what code that is
 * already running takes for granted. Read from .debug_info; two versions of a unit are compared in type-changes.ts.
 */

import { type AttributeValue, type DebugSections, type Die, debugInfoUnits } from './debug-info.ts';
import { DW_AT, DW_TAG } from './debug-info-constants.ts';

export interface Field {
  readonly name: string;
  /** Bits from the start of the type. */
  readonly bitOffset: number;
  /** Bits, for a bit-field. */
  readonly bitSize?: number;
  /** The type in C's words, e.g. `struct node *`. */
  readonly type: string;
}

export interface TypeLayout {
  readonly kind: 'struct' | 'union' | 'class' | 'enum';
  /** Qualified name, e.g. `net::Buffer`. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Members in order, bases first; for an enum, its enumerators with their values as offsets. */
  readonly fields: readonly Field[];
  /** Virtual methods with their place in the table, in order. */
  readonly virtuals: readonly string[];
}

export interface Signature {
  /** Symbol name. */
  readonly name: string;
  readonly returns: string;
  readonly parameters: readonly string[];
}

export interface TypeInfo {
  readonly types: ReadonlyMap<string, TypeLayout>;
  readonly functions: ReadonlyMap<string, Signature>;
  /** Type of each variable with static storage duration, by symbol name; `count in f` for a static local of f. */
  readonly variables: ReadonlyMap<string, string>;
}

const KIND_OF_TAG = new Map<number, TypeLayout['kind']>([
  [DW_TAG.structure_type, 'struct'],
  [DW_TAG.union_type, 'union'],
  [DW_TAG.class_type, 'class'],
  [DW_TAG.enumeration_type, 'enum'],
]);

/** Everything that the sections declare outside of function bodies. Throws BAD_FORMAT. */
export function readTypeInfo(sections: DebugSections): TypeInfo {
  const reader = new TypeReader();
  const units = [...debugInfoUnits(sections)];
  for (const unit of units) reader.index(unit);
  for (const unit of units) reader.collect(unit, '');
  return reader.found;
}

class TypeReader {
  readonly #dies = new Map<number, Die>();
  readonly #scopes = new Map<number, string>();
  readonly found = {
    types: new Map<string, TypeLayout>(),
    functions: new Map<string, Signature>(),
    variables: new Map<string, string>(),
  };

  index(die: Die, scope = ''): void {
    this.#dies.set(die.offset, die);
    this.#scopes.set(die.offset, scope);
    const inner = isScope(die.tag) ? qualified(scope, nameOf(die)) : scope;
    for (const child of die.children) this.index(child, inner);
  }

  collect(die: Die, scope: string): void {
    for (const child of die.children) {
      const kind = KIND_OF_TAG.get(child.tag);
      if (kind !== undefined) this.#collectType(child, kind, scope);
      else if (child.tag === DW_TAG.namespace) this.collect(child, qualified(scope, nameOf(child)));
      else if (child.tag === DW_TAG.subprogram) this.#collectFunction(child);
      else if (child.tag === DW_TAG.variable) this.#collectVariable(child);
      else if (child.tag === DW_TAG.typedef) this.#collectTypedef(child, scope);
    }
  }

  #collectType(die: Die, kind: TypeLayout['kind'], scope: string): void {
    const name = nameOf(die);
    if (name !== undefined && !die.attributes.has(DW_AT.declaration)) {
      this.#add(this.#layout(die, kind, qualified(scope, name)));
    }
    if (kind !== 'enum' && name !== undefined) this.collect(die, qualified(scope, name));
  }

  /** `typedef struct { … } name;`: the nameless type is known by the typedef. */
  #collectTypedef(die: Die, scope: string): void {
    const target = this.#referred(die, DW_AT.type);
    const kind = target && KIND_OF_TAG.get(target.tag);
    const name = nameOf(die);
    if (target === undefined || kind === undefined || name === undefined || nameOf(target) !== undefined)
      return;
    this.#add(this.#layout(target, kind, qualified(scope, name)));
  }

  #add(layout: TypeLayout): void {
    this.found.types.set(`${layout.kind} ${layout.name}`, layout);
  }

  #collectFunction(die: Die): void {
    const origin = this.#referred(die, DW_AT.specification) ?? this.#referred(die, DW_AT.abstract_origin);
    const name =
      linkageNameOf(die) ?? (origin && linkageNameOf(origin)) ?? nameOf(die) ?? (origin && nameOf(origin));
    if (name === undefined) return;
    // A call of a builtin leaves a declaration without parameters, which says nothing.
    if (nameOf(die)?.startsWith('__builtin_') === true) return;
    // A concrete instance of an inlined function may lack parameters, and names no types: its abstract one does.
    const isParameter = ({ tag }: Die): boolean =>
      tag === DW_TAG.formal_parameter || tag === DW_TAG.unspecified_parameters;
    const described = origin?.children.some(isParameter) === true ? origin : die;
    const parameters = described.children
      .filter(isParameter)
      .map((child) => (child.tag === DW_TAG.unspecified_parameters ? '...' : this.#typeOf(child)));
    const returning = die.attributes.has(DW_AT.type) ? die : (origin ?? die);
    this.found.functions.set(name, { name, returns: this.#typeOf(returning), parameters });
    this.#collectLocals(die, name);
  }

  #collectLocals(die: Die, symbol: string): void {
    for (const child of die.children) {
      if (child.tag === DW_TAG.lexical_block) this.#collectLocals(child, symbol);
      if (child.tag !== DW_TAG.variable || !isStatic(child)) continue;
      const origin = this.#referred(child, DW_AT.abstract_origin);
      const name = nameOf(child) ?? (origin && nameOf(origin));
      if (name === undefined) continue;
      const typed = child.attributes.has(DW_AT.type) ? child : (origin ?? child);
      this.found.variables.set(`${name} in ${symbol}`, this.#typeOf(typed));
    }
  }

  #collectVariable(die: Die): void {
    const origin = this.#referred(die, DW_AT.specification);
    const name = linkageNameOf(die) ?? nameOf(die) ?? (origin && nameOf(origin));
    if (name === undefined) return;
    this.found.variables.set(name, this.#typeOf(die.attributes.has(DW_AT.type) || !origin ? die : origin));
  }

  #layout(die: Die, kind: TypeLayout['kind'], name: string): TypeLayout {
    const fields: Field[] = [];
    const virtuals: string[] = [];
    for (const child of die.children) {
      if (child.tag === DW_TAG.member || child.tag === DW_TAG.inheritance) fields.push(this.#field(child));
      else if (child.tag === DW_TAG.enumerator) {
        fields.push({
          name: nameOf(child) ?? '',
          bitOffset: numberOf(child, DW_AT.const_value) ?? 0,
          type: 'enumerator',
        });
      } else if (child.tag === DW_TAG.subprogram && numberOf(child, DW_AT.virtuality)) {
        virtuals.push(linkageNameOf(child) ?? nameOf(child) ?? '');
      }
    }
    return { kind, name, size: numberOf(die, DW_AT.byte_size) ?? 0, fields, virtuals };
  }

  #field(die: Die): Field {
    const inherited = die.tag === DW_TAG.inheritance;
    const type = this.#typeOf(die);
    const bitSize = numberOf(die, DW_AT.bit_size);
    return {
      name: inherited ? `base ${type}` : (nameOf(die) ?? ''),
      bitOffset: this.#bitOffset(die, bitSize),
      ...(bitSize === undefined ? {} : { bitSize }),
      type,
    };
  }

  /** DWARF 5, 5.7.6; DWARF 3 counted a bit-field's place from the high end of its storage unit. */
  #bitOffset(die: Die, bitSize: number | undefined): number {
    const whole = (numberOf(die, DW_AT.data_member_location) ?? 0) * 8;
    const fromStart = numberOf(die, DW_AT.data_bit_offset);
    if (fromStart !== undefined) return whole + fromStart;
    const fromHighEnd = numberOf(die, DW_AT.bit_offset);
    if (fromHighEnd === undefined || bitSize === undefined) return whole;
    const storage = numberOf(die, DW_AT.byte_size) ?? this.#sizeOfType(die);
    return whole + storage * 8 - fromHighEnd - bitSize;
  }

  #sizeOfType(die: Die): number {
    let type = this.#referred(die, DW_AT.type);
    for (let depth = 0; type !== undefined && depth < 32; depth++) {
      const size = numberOf(type, DW_AT.byte_size);
      if (size !== undefined) return size;
      type = this.#referred(type, DW_AT.type);
    }
    return 0;
  }

  #referred(die: Die, attribute: number): Die | undefined {
    const value = die.attributes.get(attribute);
    return isReference(value) ? this.#dies.get(value.die) : undefined;
  }

  #typeOf(die: Die, depth = 0): string {
    const value = die.attributes.get(DW_AT.type);
    if (typeof value === 'string') return value;
    const type = this.#referred(die, DW_AT.type);
    return type === undefined ? 'void' : this.#describe(type, depth);
  }

  /** A type in words. A nameless aggregate is described by its layout, because its users depend on that. */
  #describe(die: Die, depth: number): string {
    if (depth > 24) return '…';
    const inner = (): string => this.#typeOf(die, depth + 1);
    const name = nameOf(die);
    const scope = this.#scopes.get(die.offset) ?? '';
    switch (die.tag) {
      case DW_TAG.base_type:
      case DW_TAG.unspecified_type:
        return name ?? '?';
      // A typedef of another size must not hide behind its name.
      case DW_TAG.typedef:
        return this.#describeTypedef(die, qualified(scope, name), depth);
      case DW_TAG.pointer_type:
        return `${inner()} *`;
      case DW_TAG.reference_type:
        return `${inner()} &`;
      case DW_TAG.rvalue_reference_type:
        return `${inner()} &&`;
      case DW_TAG.const_type:
        return `const ${inner()}`;
      case DW_TAG.volatile_type:
        return `volatile ${inner()}`;
      case DW_TAG.atomic_type:
        return `_Atomic ${inner()}`;
      case DW_TAG.restrict_type:
        return inner();
      case DW_TAG.array_type:
        return (
          inner() +
          die.children
            .filter(({ tag }) => tag === DW_TAG.subrange_type)
            .map(bounds)
            .join('')
        );
      case DW_TAG.subroutine_type: {
        const parameters = die.children
          .filter(({ tag }) => tag === DW_TAG.formal_parameter || tag === DW_TAG.unspecified_parameters)
          .map((child) =>
            child.tag === DW_TAG.unspecified_parameters ? '...' : this.#typeOf(child, depth + 1),
          );
        return `${inner()} (${parameters.join(', ')})`;
      }
      default: {
        const kind = KIND_OF_TAG.get(die.tag);
        if (kind === undefined) return name ?? `type 0x${die.tag.toString(16)}`;
        if (name !== undefined) return `${kind} ${qualified(scope, name)}`;
        const { size, fields } = this.#layout(die, kind, '');
        const members = fields.map((field) => `${field.type} ${field.name} @${field.bitOffset}`);
        return `${kind} { ${members.join('; ')} } of ${size}`;
      }
    }
  }

  #describeTypedef(die: Die, name: string, depth: number): string {
    const target = this.#referred(die, DW_AT.type);
    if (target === undefined || KIND_OF_TAG.has(target.tag)) return name;
    const described = this.#describe(target, depth + 1);
    return target.tag === DW_TAG.base_type || target.tag === DW_TAG.typedef ? described : name;
  }
}

const isScope = (tag: number): boolean => tag === DW_TAG.namespace || KIND_OF_TAG.has(tag);
const isReference = (value: AttributeValue | undefined): value is { readonly die: number } =>
  typeof value === 'object' && 'die' in value;

/** Whether it is at one place for as long as the program, or the thread, lasts. DWARF 5, 2.6.1.1.2; 2.5.1.1. */
function isStatic(die: Die): boolean {
  const location = die.attributes.get(DW_AT.location);
  if (!(location instanceof Uint8Array)) return false;
  const last = location[location.length - 1];
  switch (location[0]) {
    // Followed by DW_OP_stack_value it is the value of a pointer that has no place of its own.
    case 0x03: // DW_OP_addr
      return location.length === 9;
    case 0xa1: // DW_OP_addrx
    case 0xfb: // DW_OP_GNU_addr_index
      return last !== 0x9f; // DW_OP_stack_value
    default:
      return last === 0x9b || last === 0xe0; // DW_OP_form_tls_address, DW_OP_GNU_push_tls_address
  }
}

function nameOf(die: Die): string | undefined {
  const name = die.attributes.get(DW_AT.name);
  return typeof name === 'string' ? name : undefined;
}

function linkageNameOf(die: Die): string | undefined {
  const name = die.attributes.get(DW_AT.linkage_name) ?? die.attributes.get(DW_AT.MIPS_linkage_name);
  return typeof name === 'string' ? name : undefined;
}

function numberOf(die: Die, attribute: number): number | undefined {
  const value = die.attributes.get(attribute);
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : undefined;
}

const qualified = (scope: string, name: string | undefined): string => {
  const own = name ?? '(anonymous)';
  return scope === '' ? own : `${scope}::${own}`;
};

function bounds(subrange: Die): string {
  const count = numberOf(subrange, DW_AT.count);
  const upper = numberOf(subrange, DW_AT.upper_bound);
  if (count !== undefined) return `[${count}]`;
  return upper === undefined ? '[]' : `[${upper + 1}]`;
}
