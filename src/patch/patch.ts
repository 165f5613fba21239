import type { Arch } from '../arch/arch.ts';
import type { Vaddr } from '../bytes/address.ts';
import type { Manifest } from './manifest.ts';

export type SectionKind = 'text' | 'rodata' | 'data' | 'bss';

export interface PatchRelocation {
  /** Bytes from the start of the section. */
  readonly offset: number;
  readonly type: number;
  /** Index into Patch.symbols. */
  readonly symbol: number;
  readonly addend: bigint;
}

/** A part of the patch that is placed in the target. */
export interface PatchSection {
  readonly name: string;
  readonly kind: SectionKind;
  /** Contents before relocation; empty for bss. */
  readonly bytes: Uint8Array;
  /** Bytes in the target. */
  readonly size: number;
  /** A power of two, at most 4096. */
  readonly align: number;
  readonly relocations: readonly PatchRelocation[];
}

export type SymbolType = 'function' | 'object' | 'tls' | 'unknown';

export type PatchSymbol =
  /** Symbol 0, and symbols that nothing placed in the target refers to. */
  | { readonly kind: 'none'; readonly name: string }
  /** A place in the patch: `section` is an index into Patch.sections. */
  | {
      readonly kind: 'section';
      readonly name: string;
      readonly section: number;
      readonly offset: number;
      readonly size: number;
      readonly symbolType: SymbolType;
    }
  /** A link-time address in the base: a function, a variable, one of its GOT slots. */
  | { readonly kind: 'base'; readonly name: string; readonly address: Vaddr; readonly symbolType: SymbolType }
  /** A symbol of another object: `importIndex` is an index into Manifest.imports. */
  | { readonly kind: 'import'; readonly name: string; readonly importIndex: number }
  /** A variable at `offset` bytes in the base's own block of thread-local storage (its PT_TLS). */
  | { readonly kind: 'tls-base'; readonly name: string; readonly offset: bigint };

/** An allocated section of the base, as far as symbols need it. */
export interface BaseSection {
  readonly name: string;
  readonly address: Vaddr;
  readonly size: number;
  readonly align: number;
  /** SHF_* of the base's section header. */
  readonly flags: number;
}

/** What a patch consists of, before it is a file. */
export interface PatchContents {
  readonly manifest: Manifest;
  readonly arch: Arch;
  readonly sections: readonly PatchSection[];
  readonly symbols: readonly PatchSymbol[];
  /** Sections of the base in which `base` and `tls-base` symbols and the originals lie; more do no harm. */
  readonly baseSections: readonly BaseSection[];
}

/** A patch read from a file, every offset, size, index and range in it checked. */
export interface Patch extends PatchContents {
  readonly origin: 'suture' | 'libcareplus';
  /** The file. */
  readonly bytes: Uint8Array;
  /** Level in a store of LibcarePlus; noted in the process. */
  readonly level?: number;
}
