/** What goes into the linking of one patch for one base, and what comes of it. */
import type { ComposedUnit } from '../asm/difference.ts';
import type { ElfImage } from '../elf/image.ts';
import type { Manifest } from '../patch/manifest.ts';
import type { PatchContents } from '../patch/patch.ts';
import type { Base } from './base.ts';
import type { IntroducedName } from './introduced.ts';
import type { Refusal } from './refusal.ts';

export interface LinkUnit {
  /** Source file, relative to the tree. */
  readonly name: string;
  readonly composed: ComposedUnit;
  /** The composed text, assembled. */
  readonly object: ElfImage;
  /** The whole original unit, assembled with the same command. */
  readonly originalObject: ElfImage;
  /** What earlier patches added to the unit, by name here. */
  readonly introduced?: ReadonlyMap<string, IntroducedName>;
  /** Functions of the base that the compiler could look into. */
  readonly sees?: readonly string[];
}

/** The patches of the same base that are applied already when this one comes. */
export interface EarlierPatches {
  /** In the order in which they are applied. */
  readonly manifests: readonly Manifest[];
  /** What they added and every unit can name: the unit that defines it. */
  readonly shared: ReadonlyMap<string, IntroducedName & { readonly unit: string }>;
}

export interface LinkRequest {
  readonly base: Base;
  readonly units: readonly LinkUnit[];
  readonly id: string;
  readonly description: string;
  /** File name of the base, without folder. */
  readonly file: string;
  readonly compiler: string;
  readonly earlier?: EarlierPatches;
  readonly warnings?: readonly string[];
  /** Seconds since 1970. */
  readonly builtAt?: number;
}

export type LinkResult =
  | { readonly kind: 'linked'; readonly contents: PatchContents; readonly warnings: readonly string[] }
  | { readonly kind: 'refused'; readonly refusals: readonly Refusal[] };
