/**
 * Compares the versions of a unit that a new fix builds on earlier ones in: the base's, with one fix more each, and the
 * one with the new fix as well. The new patch holds what differs between the last two; all of its references are to the
 * base or to earlier patches.
 */
import { archOfMachine } from '../arch/index.ts';
import { type AsmUnit, type ComposedUnit, compareUnits, composeUnit, parseUnit } from '../asm/index.ts';
import { SYMBOL } from '../asm/unit.ts';
import type { ElfImage } from '../elf/image.ts';
import { SECTION } from '../patch/layout.ts';
import type { Acceptance } from './acceptance.ts';
import { assembleUnit } from './assemble.ts';
import { firstDifference, maskCode } from './code-match.ts';
import { assemblerCommand, type Comparison, compareVersions, objectOf } from './compare-versions.ts';
import type { EarlierFix } from './earlier.ts';
import { reachThroughGot } from './got-access.ts';
import { type Introduced, introducedUpTo, type Link, NOTHING_INTRODUCED } from './introduced.ts';
import type { Refused } from './result.ts';
import type { Versions } from './versions.ts';

/** A unit in all of its versions. */
export interface StackedVersions extends Versions {
  /** The base's, then with one earlier fix more each; the last one is `original`. */
  readonly states: readonly Buffer[];
}

export type OnTop = Comparison & {
  readonly introduced: Introduced;
  /** Ids of the earlier fixes that change functions of the unit. */
  readonly touchedBy: ReadonlySet<string>;
};

const ONE_PATCH = 'build one patch for all diffs from the base’s source, and apply it with --replace';

/**
 * @param fixes the earlier ones, in the order in which they are applied
 * @throws SutureError as `compareVersions`
 */
export async function compareOnTop(
  versions: StackedVersions,
  fixes: readonly EarlierFix[],
  wanted: (name: string) => boolean,
  acceptance: Acceptance,
): Promise<OnTop> {
  const { unit, name, states, original } = versions;
  const base = states[0]!;
  const foreign = fixes.find((fix, i) => changesUnit(fix, name) && states[i]!.equals(states[i + 1]!));
  if (foreign === undefined && states.every((state) => state.equals(original))) {
    return {
      ...(await compareVersions(versions, wanted, acceptance)),
      introduced: NOTHING_INTRODUCED,
      touchedBy: new Set(),
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
  const touchedBy = new Set<string>();
  let introduced = NOTHING_INTRODUCED;
  if (arch === undefined) return { ...comparison, introduced, touchedBy };
  const refuse = (what: string, where?: string): OnTop => ({
    kind: 'refused',
    refused: [{ unit: name, what, remedy: ONE_PATCH, ...(where === undefined ? {} : { where }) }],
    introduced,
    touchedBy,
  });
  if (foreign !== undefined)
    return refuse(
      `${foreign.id} changes functions of ${name}: ${foreign.diff.name} is not what it was built from`,
    );
  const links: Link[] = [];
  let before = parseUnit(base, arch.assembly, name);
  for (const [i, fix] of fixes.entries()) {
    if (states[i]!.equals(states[i + 1]!)) continue;
    const after = parseUnit(states[i + 1]!, arch.assembly, name);
    const difference = compareUnits(before, after);
    const composed = composeUnit(before, after, difference);
    const object = await assembleUnit(
      command,
      reachThroughGot(composed, baseObject, arch, new Set(introduced.names.keys())),
      `what ${fix.id} changes in ${name}`,
    );
    const link = { id: fix.id, before, after, difference, composed };
    links.push(link);
    if (composed.functions.length > 0) touchedBy.add(fix.id);
    const unlike = unlikePatch(name, composed, object, fix);
    introduced = introducedUpTo(introduced, link);
    if (unlike !== undefined) return refuse(unlike);
    before = after;
  }
  if (comparison.kind !== 'changed') return { ...comparison, introduced, touchedBy };

  const { changed } = comparison;
  const misfit = misfitOf(changed.composed, links, introduced);
  if (misfit !== undefined) return refuse(misfit.what, misfit.where);
  const ofBase = links[0]!.before;
  const onBase: ComposedUnit = {
    ...changed.composed,
    functions: changed.composed.functions.map((fn) =>
      fn.kind === 'changed' ? { ...fn, originalParts: partsOf(ofBase, fn.name) } : fn,
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
    touchedBy,
  };
}

const changesUnit = ({ patches }: EarlierFix, unit: string): boolean =>
  patches.some(({ manifest }) => manifest.functions.some((fn) => fn.unit === unit));

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
  links: readonly Link[],
  { names }: Introduced,
): Pick<Refused, 'what' | 'where'> | undefined {
  const last = links.at(-1)!.after;
  const changed = composed.functions.filter(({ kind }) => kind === 'changed').map(({ name }) => name);
  const again = changed.find((name) => names.has(name));
  if (again !== undefined)
    return { what: `${again}, which ${names.get(again)?.patch} introduced, changes again`, where: again };
  for (const name of [...changed, ...composed.references.map((reference) => reference.name)]) {
    if (names.has(name)) continue;
    const symbol = last.symbol(name);
    if (symbol < 0 || !last.is(symbol, SYMBOL.defined)) continue;
    const misnamed = misnamedIn(links, symbol, name);
    if (misnamed !== undefined) return { what: misnamed, where: name };
  }
  return undefined;
}

/** Follows a symbol of the newest version back to the base, where it must have the same name. */
function misnamedIn(links: readonly Link[], newest: number, name: string): string | undefined {
  let symbol = newest;
  for (const { difference } of [...links].reverse()) {
    symbol = difference.pairing.toOriginal[symbol]!;
    if (symbol < 0) return `the new code refers to ${name}, which neither the base nor ${listOf(links)} has`;
  }
  const before = links[0]!.before.symbolName(symbol);
  if (before === name) return undefined;
  return `${name} is called ${before} in the base: ${listOf(links)} changed how the compiler numbers it`;
}

const listOf = (links: readonly Link[]): string => links.map(({ id }) => id).join(' and ');

function partsOf(unit: AsmUnit, name: string): string[] {
  const block = unit.blockOf(unit.symbol(name));
  return (block?.parts ?? []).map((part) => unit.symbolName(unit.blockSymbol(unit.parts.blocks[part]!)));
}
