/**
 * The manifest: what a patch is, in words that a person or another tool can read. It travels in the section
 * `.suture.manifest` as canonical JSON (keys in the order below, no spaces). Addresses are hexadecimal strings,
 * link-time unless said otherwise.
 */
import type { PlaceInPart } from './parts.ts';

export const MANIFEST_FORMAT = 1;

export interface CodeRange {
  /** Link-time address in the base. */
  readonly address: string;
  /** Bytes. */
  readonly size: number;
}

export interface ManifestFunction {
  /** Symbol in the base, or of the new function. */
  readonly name: string;
  readonly kind: 'changed' | 'new';
  /** The compiled source file, relative to the source tree. */
  readonly unit: string;
  /** Why it is in the patch, one sentence. */
  readonly reason: string;
  /** Changed functions: the original's entry part. */
  readonly original?: CodeRange & {
    /** The first bytes of the original, hexadecimal (16, or fewer for a shorter function). */
    readonly entryBytes: string;
    /** Where the redirect goes: bytes from the entry (after a landing pad). */
    readonly redirectOffset: number;
    /** Other parts of the original's code (.cold, clones folded in). */
    readonly parts: readonly CodeRange[];
  };
  /** The new body: bytes from the start of .kpatch.text, and its size. */
  readonly replacement: { readonly offset: number; readonly size: number };
  /** Other parts of the new body. */
  readonly replacementParts: readonly { readonly offset: number; readonly size: number }[];
}

export interface ManifestVariable {
  readonly name: string;
  readonly kind: 'new' | 'existing';
  readonly unit: string;
  readonly size: number;
  /** New variables: where later patches find them (see parts.ts). */
  readonly place?: PlaceInPart;
}

export interface ManifestImport {
  readonly name: string;
  /** Symbol version, as the base needs it or as the library defines it. */
  readonly version?: string;
  readonly type: 'function' | 'object' | 'tls' | 'unknown';
  readonly weak: boolean;
  /** The base's own GOT slot for the symbol, if it has one. */
  readonly slot?: { readonly address: string; readonly kind: 'jump-slot' | 'glob-dat' };
  /** An earlier patch of the same object defines it: a new function of `unit`, or a new variable of `size` bytes. */
  readonly from?: { readonly patch: string; readonly unit: string; readonly size?: number };
}

export interface Manifest {
  readonly format: typeof MANIFEST_FORMAT;
  /** 1 to 64 characters of [A-Za-z0-9._-]. The first 7 also stand in the file's header. */
  readonly id: string;
  readonly description: string;
  readonly cpu: string;
  readonly target: {
    readonly buildId: string;
    /** File name without folder. */
    readonly file: string;
    readonly type: 'executable' | 'library';
  };
  readonly functions: readonly ManifestFunction[];
  readonly variables: readonly ManifestVariable[];
  readonly imports: readonly ManifestImport[];
  /** Ids of patches that must be active on the same object. */
  readonly requires: readonly string[];
  /**
   * Functions of the base, by unit, that the compiler could look into when it made those of the patch. A patch that
   * changes one of them for itself does not fit beside this one. A long list is cut to "*": any of the unit.
   */
  readonly sees?: readonly { readonly unit: string; readonly functions: readonly string[] }[];
  readonly compiler: string;
  readonly warnings: readonly string[];
  /** Seconds since 1970; only when asked for, because builds are reproducible. */
  readonly builtAt?: number;
}
