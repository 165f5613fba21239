/**
 * What a fix makes of one compiled unit: the value that the comparison gives and that composition, linking and the
 * reports read. Names are assembler names, one character a byte (ISO 8859-1), as they stand in the text.
 */

import type { Pairing } from './pair.ts';
import type { SourcePlace } from './source-place.ts';

export type Linkage = 'global' | 'weak' | 'local';

/** Why a function is in the patch. */
export type Reason =
  /** Its own instructions differ; the first statements that do, for the report. */
  | {
      readonly kind: 'code';
      readonly firstDifference?: { readonly original: string; readonly patched: string };
    }
  /** Its instructions are the same, but read-only data that it reads differs. */
  | {
      readonly kind: 'data';
      readonly symbol: string;
      readonly firstDifference?: { readonly original: string; readonly patched: string };
    }
  /** Its exception table differs. */
  | { readonly kind: 'exceptions' }
  /** It refers to a symbol that is another one in the patched unit, e.g. a clone that has no counterpart. */
  | { readonly kind: 'reference'; readonly original: string; readonly patched: string }
  /** Part or copy of a function that the compiler made anew. */
  | { readonly kind: 'clone'; readonly of: string }
  | { readonly kind: 'new' }
  | { readonly kind: 'removed' }
  /** The compiler saw it together with a selected function: one must not run with the other's older version. */
  | { readonly kind: 'neighbour'; readonly of: string };

export interface FunctionDifference {
  readonly kind: 'changed' | 'new' | 'removed';
  /** The original's symbol; the patched one for a new function. */
  readonly name: string;
  /** The patched symbol when it is not `name`. */
  readonly patchedName?: string;
  readonly linkage: Linkage;
  readonly reasons: readonly Reason[];
}

export type Storage = 'data' | 'bss' | 'rodata' | 'relro' | 'tls' | 'common';

export interface VariableDifference {
  readonly kind: 'new' | 'removed' | 'changed-value' | 'changed-size' | 'changed-section';
  readonly name: string;
  readonly patchedName?: string;
  readonly storage: Storage;
  readonly linkage: Linkage;
  /** True if nothing but functions and data that the patch brings along refers to it: a copy of its own does. */
  readonly privateToChanged: boolean;
}

/** A difference that no patch can carry. */
export interface OtherDifference {
  readonly kind: string;
  /** One sentence that names the construct. */
  readonly what: string;
  /** Where it stands in the source, when the compiler tells: asm by its line markers, code with -g. */
  readonly place?: SourcePlace | undefined;
  /** The original's or patched symbol that it is about: debug information may tell where that is declared. */
  readonly symbol?: string;
}

export interface UnitDifference {
  readonly functions: readonly FunctionDifference[];
  readonly variables: readonly VariableDifference[];
  readonly other: readonly OtherDifference[];
  /** Which symbol of the original is which of the patched unit; composition needs it. */
  readonly pairing: Pairing;
}

/** What of a difference to put into the patch. */
export interface Selection {
  /** Names as in FunctionDifference.name. */
  readonly functions: ReadonlySet<string>;
  /** Functions that come along because of another one, by name. */
  readonly neighbours?: ReadonlyMap<string, string>;
}

export interface ComposedFunction {
  /** The original's symbol (the patched one if new). */
  readonly name: string;
  /** Symbol of the new body in the composed text. */
  readonly label: string;
  readonly kind: 'changed' | 'new';
  readonly linkage: Linkage;
  readonly reasons: readonly Reason[];
  /** Labels of the new body's parts elsewhere (.cold). */
  readonly parts: readonly string[];
  /** Symbols of the original's parts elsewhere. */
  readonly originalParts: readonly string[];
}

export interface ComposedReference {
  /** The ORIGINAL name. */
  readonly name: string;
  /** 'unit': a local symbol of the original unit; 'global': everything else, defined here or elsewhere. */
  readonly scope: 'unit' | 'global';
  /** Resolves to 0 when nothing defines it. */
  readonly weak: boolean;
  /** Thread-local, by definition here or by the relocation operators used with it. */
  readonly thread: boolean;
}

export interface ComposedUnit {
  /** Assembler text, one character a byte: write it as ISO 8859-1. Deterministic. */
  readonly text: string;
  readonly functions: readonly ComposedFunction[];
  /** Symbols of the composed text that are new variables or copies of changed constants. */
  readonly newVariables: readonly string[];
  /** Every symbol that the text leaves undefined. */
  readonly references: readonly ComposedReference[];
}
