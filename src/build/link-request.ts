/** What goes into the linking of one patch for one base, and what comes of it. */
import type { ComposedUnit } from '../asm/difference.ts';
import type { ElfImage } from '../elf/image.ts';
import type { Manifest } from '../patch/manifest.ts';
import type { PatchContents } from '../patch/patch.ts';
import type { Base } from './base.ts';
import type { Refusal } from './refusal.ts';

export interface LinkUnit {
  /** Source file, relative to the tree. */
  readonly name: string;
  readonly composed: ComposedUnit;
  /** The composed text, assembled. */
  readonly object: ElfImage;
  /** The whole original unit, assembled with the same command. */
  readonly originalObject: ElfImage;
  /** What an earlier patch added to the unit: its name there, by name here. */
  readonly introduced?: ReadonlyMap<string, string>;
  /** Functions of the base that the compiler could look into. */
  readonly sees?: readonly string[];
}

/** A patch of the same base that is applied already when this one comes. */
export interface EarlierPatch {
  readonly manifest: Manifest;
  /** What it added and every unit can name: the unit that defines it. */
  readonly shared: ReadonlyMap<string, { readonly unit: string; readonly name: string }>;
}

export interface LinkRequest {
  readonly base: Base;
  readonly units: readonly LinkUnit[];
  readonly id: string;
  readonly description: string;
  /** File name of the base, without folder. */
  readonly file: string;
  readonly compiler: string;
  readonly earlier?: EarlierPatch;
  readonly warnings?: readonly string[];
  /** Seconds since 1970. */
  readonly builtAt?: number;
}

export type LinkResult =
  | { readonly kind: 'linked'; readonly contents: PatchContents; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] };
