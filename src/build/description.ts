/** What a linked patch says about itself: its functions and variables, and what a person should know of them. */
import type { ComposedFunction } from '../asm/difference.ts';
import { STT_FILE } from '../elf/constants.ts';
import { SECTION } from '../patch/layout.ts';
import type { ManifestFunction, ManifestVariable } from '../patch/manifest.ts';
import { placeInPart } from '../patch/parts.ts';
import type { Base } from './base.ts';
import type { ChangedFunctions } from './changed-functions.ts';
import type { Definitions } from './definitions.ts';
import type { LinkRequest } from './link-request.ts';
import { reasonSentence } from './reason.ts';
import type { References } from './references.ts';
import type { Refusals } from './refusal.ts';

export class Description {
  readonly #request: LinkRequest;
  readonly #changed: ChangedFunctions;
  readonly #references: References;
  readonly #definitions: Definitions;
  readonly #refusals: Refusals;
  readonly #warnings: string[] = [];

  constructor(request: LinkRequest, changed: ChangedFunctions, references: References) {
    this.#request = request;
    this.#changed = changed;
    this.#references = references;
    this.#definitions = references.definitions;
    this.#refusals = references.refusals;
  }

  /** Warnings of the description so far, and of what the base does not use yet. */
  get warnings(): string[] {
    const { added } = this.#references;
    if (added.length === 0) return this.#warnings;
    const file = fileNameOf(this.#request.base);
    return [
      ...this.#warnings,
      `${file} does not use yet: ${added.join(', ')}; whether a process has them is seen when the patch is applied`,
    ];
  }

  functions(): ManifestFunction[] {
    const functions: ManifestFunction[] = [];
    const taken = new Set<string>();
    this.#request.units.forEach(({ composed, name: unitName }, unit) => {
      for (const fn of composed.functions) {
        const described = this.#describeFunction(unit, unitName, fn);
        if (described === undefined) continue;
        // An alias, or another unit's copy of the same inline function.
        const key = described.original?.address ?? `new ${described.replacement.offset}`;
        if (taken.has(key)) continue;
        taken.add(key);
        functions.push(described);
      }
    });
    return functions;
  }

  #describeFunction(unit: number, unitName: string, fn: ComposedFunction): ManifestFunction | undefined {
    const found = this.#changed.get(unit, fn.name);
    if (found?.kind === 'refused') return undefined;
    if (found?.kind === 'overridden') {
      this.#warnings.push(
        `the ${fn.name} of ${unitName} is not what runs: another definition takes its place`,
      );
      return undefined;
    }
    const symbol = this.#definitions.label(unit, fn.label);
    const replacement = symbol && this.#definitions.range(unit, symbol);
    if (replacement === undefined) {
      this.#refusals.add({
        unit: unitName,
        what: `the new code of ${fn.name} (${fn.label}) is not in ${SECTION.text}`,
        remedy: 'report this with the source file and the compiler version',
      });
      return undefined;
    }
    // A new symbol whose definition another unit gives is dead code here.
    if (fn.kind === 'new' && fn.linkage !== 'local') {
      const chosen = this.#definitions.shared(fn.label);
      if (chosen !== undefined && chosen.unit !== unit) return undefined;
    }
    if (found?.kind === 'found' && found.warning !== undefined) this.#warnings.push(found.warning);
    const isReplaced = found?.kind === 'found';
    if (found?.kind === 'absent') {
      this.#warnings.push(
        `${fn.name} is not in ${fileNameOf(this.#request.base)}: nothing calls the old one there`,
      );
    }
    return {
      name: fn.name,
      kind: isReplaced ? 'changed' : 'new',
      unit: unitName,
      reason: reasonSentence(fn.reasons),
      ...(isReplaced ? { original: found.original } : {}),
      replacement,
      replacementParts: fn.parts.flatMap((label) => {
        const part = this.#definitions.label(unit, label);
        const range = part && this.#definitions.range(unit, part);
        return range === undefined ? [] : [range];
      }),
    };
  }

  variables(): ManifestVariable[] {
    const { merged, existing } = this.#references;
    const added = this.#request.units.flatMap(({ composed, name: unit, object }, index): ManifestVariable[] =>
      composed.newVariables.map((name) => {
        const symbol = object.symbols.named(name).find(({ type }) => type !== STT_FILE);
        const at = symbol && this.#definitions.placeOf(index, symbol);
        const place = at && placeInPart(merged.sections, at.merged, at.offset);
        return { name, kind: 'new', unit, size: symbol?.size ?? 0, ...(place && { place }) };
      }),
    );
    return [...added, ...existing];
  }
}

/** For texts that travel with the patch: two builds in different folders give the same bytes. */
const fileNameOf = ({ name }: Base): string => name.slice(name.lastIndexOf('/') + 1);
