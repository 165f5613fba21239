/**
 * Compares three versions of a unit: the base's, the one with an earlier fix, and the one with the new fix as well. The
 * new patch holds what differs between the last two; all of its references are to the base or to the earlier patch.
 */
import { archOfMachine } from '../arch/index.ts';
import {
  type AsmUnit,
  type ComposedUnit,
  compareUnits,
  composeUnit,
  parseUnit,
  type UnitDifference,
} from '../asm/index.ts';
import { SYMBOL } from '../asm/unit.ts';
import type { ElfImage } from '../elf/image.ts';
import { SECTION } from '../patch/layout.ts';
import type { Acceptance } from './acceptance.ts';
import { assembleUnit } from './assemble.ts';
import { firstDifference, maskCode } from './code-match.ts';
import { assemblerCommand, type Comparison, compareVersions, objectOf } from './compare-versions.ts';
import type { EarlierFix } from './earlier.ts';
import { reachThroughGot } from './got-access.ts';
import type { Refused } from './result.ts';
import type { Versions } from './versions.ts';

/** A unit in the base's version, besides the ones before and after the new fix. */
export interface ThreeVersions extends Versions {
  readonly base: Buffer;
}

/** What the earlier patch added to a unit, by name in its source: the name in the patch's manifest. */
export interface Introduced {
  readonly names: ReadonlyMap<string, string>;
  /** Names that other units can refer to. */
  readonly shared: ReadonlySet<string>;
}

export type OnTop = Comparison & { readonly introduced: Introduced; readonly isTouchedEarlier: boolean };

const NOTHING: Introduced = { names: new Map(), shared: new Set() };
const ONE_PATCH = 'build one patch for both diffs from the base’s source, and apply it with --replace';

/** @throws SutureError as `compareVersions` */
export async function compareOnTop(
  versions: ThreeVersions,
  fix: EarlierFix,
  wanted: (name: string) => boolean,
  acceptance: Acceptance,
): Promise<OnTop> {
  const { unit, name, base, original } = versions;
  if (base.equals(original)) {
    return {
      ...(await compareVersions(versions, wanted, acceptance)),
      introduced: NOTHING,
      isTouchedEarlier: false,
    };
  }
  const command = assemblerCommand(unit);
  const baseObject = await objectOf(
    versions.baseObject,
    command,
    versions.linked ?? base,
    `the base’s ${name}`,
  );
  const arch = archOfMachine(baseObject.machine);
  const comparison = await compareVersions(
    { ...versions, baseObject: undefined, linked: undefined },
    wanted,
    acceptance,
  );
  if (arch === undefined) return { ...comparison, introduced: NOTHING, isTouchedEarlier: false };
  const before = parseUnit(base, arch.assembly, name);
  const fixed = parseUnit(original, arch.assembly, name);
  const earlier = compareUnits(before, fixed);
  const composed = composeUnit(before, fixed, earlier);
  const object = await assembleUnit(
    command,
    reachThroughGot(composed, baseObject, arch),
    `what ${fix.id} changes in ${name}`,
  );
  const introduced = introducedBy(composed, before, fixed);
  const refuse = (what: string, where?: string): OnTop => ({
    kind: 'refused',
    refused: [{ unit: name, what, remedy: ONE_PATCH, ...(where === undefined ? {} : { where }) }],
    introduced,
    isTouchedEarlier: true,
  });
  const unlike = unlikePatch(name, composed, object, fix);
  if (unlike !== undefined) return refuse(unlike);
  const isTouchedEarlier = composed.functions.length > 0;
  if (comparison.kind !== 'changed') return { ...comparison, introduced, isTouchedEarlier };

  const { changed } = comparison;
  const misfit = misfitOf(changed.composed, before, fixed, earlier, introduced, fix);
  if (misfit !== undefined) return refuse(misfit.what, misfit.where);
  const onBase: ComposedUnit = {
    ...changed.composed,
    functions: changed.composed.functions.map((fn) =>
      fn.kind === 'changed' ? { ...fn, originalParts: partsOf(before, fn.name) } : fn,
    ),
  };
  const reached = await assembleUnit(
    command,
    reachThroughGot(onBase, baseObject, arch, new Set(introduced.names.keys())),
    `the new functions of ${name}`,
  );
  return {
    kind: 'changed',
    changed: { ...changed, composed: onBase, object: reached, originalObject: baseObject },
    introduced,
    isTouchedEarlier,
  };
}

function introducedBy(composed: ComposedUnit, before: AsmUnit, fixed: AsmUnit): Introduced {
  const names = new Map<string, string>();
  for (const { name, kind } of composed.functions) if (kind === 'new') names.set(name, name);
  for (const label of composed.newVariables) {
    const plain = label.replace(/\.kpatch$/, '');
    const name = plain !== label && before.symbol(plain) >= 0 ? plain : label;
    if (fixed.symbol(name) >= 0) names.set(name, label);
  }
  const shared = [...names.keys()].filter((name) => fixed.linkage(fixed.symbol(name)) !== 'local');
  return { names, shared: new Set(shared) };
}

/** Whether the earlier diff makes what the earlier patch holds: the same functions with the same code. */
function unlikePatch(
  unit: string,
  composed: ComposedUnit,
  object: ElfImage,
  { id, patches, diff }: EarlierFix,
): string | undefined {
  const say = (what: string): string => `${what}: ${diff.name} is not what ${id} was built from here`;
  const seen = new Set<string>();
  for (const { manifest, sections, arch } of patches) {
    const text = sections.find(({ name }) => name === SECTION.text);
    const ours = object.section(SECTION.text);
    for (const fn of manifest.functions) {
      seen.add(fn.name);
      if (fn.unit !== unit) continue;
      const made = composed.functions.find(({ name }) => name === fn.name);
      const symbol = made && object.symbols.named(made.label)[0];
      if (symbol === undefined || ours === undefined || text === undefined)
        return say(`${id} changes ${fn.name}`);
      const { offset, size } = fn.replacement;
      const theirs = text.bytes.subarray(offset, offset + size);
      const isSame =
        symbol.size === size &&
        firstDifference(maskCode(object, ours, arch), Number(symbol.value), theirs) === undefined;
      if (!isSame) return say(`${fn.name} in ${id} has other code`);
    }
  }
  const lacking = composed.functions.find(({ name }) => !seen.has(name));
  return lacking && say(`${id} leaves ${lacking.name} as it was`);
}

/** A name of the new patch that means something else in the base, or nothing that can be reached. */
function misfitOf(
  composed: ComposedUnit,
  before: AsmUnit,
  fixed: AsmUnit,
  { pairing }: UnitDifference,
  { names }: Introduced,
  { id }: EarlierFix,
): Pick<Refused, 'what' | 'where'> | undefined {
  const changed = composed.functions.filter(({ kind }) => kind === 'changed').map(({ name }) => name);
  const again = changed.find((name) => names.has(name));
  if (again !== undefined) return { what: `${again}, which ${id} introduced, changes again`, where: again };
  for (const name of [...changed, ...composed.references.map((reference) => reference.name)]) {
    if (names.has(name)) continue;
    const symbol = fixed.symbol(name);
    if (symbol < 0 || !fixed.is(symbol, SYMBOL.defined)) continue;
    const counterpart = pairing.toOriginal[symbol]!;
    if (counterpart >= 0 && before.symbolName(counterpart) === name) continue;
    return {
      what:
        counterpart < 0
          ? `the new code refers to ${name}, which neither the base nor ${id} has`
          : `${name} is called ${before.symbolName(counterpart)} in the base: ${id} changed how the compiler numbers it`,
      where: name,
    };
  }
  return undefined;
}

function partsOf(unit: AsmUnit, name: string): string[] {
  const block = unit.blockOf(unit.symbol(name));
  return (block?.parts ?? []).map((part) => unit.symbolName(unit.blockSymbol(unit.parts.blocks[part]!)));
}
