/** Compares both versions of a unit and composes what its patch needs, ready to be linked. */
import { archOfMachine } from '../arch/index.ts';
import {
  type ComposedUnit,
  compareUnits,
  composeUnit,
  functionsSeenBy,
  parseUnit,
  selectFunctions,
} from '../asm/index.ts';
import { clonedFrom } from '../asm/stem.ts';
import { SutureError } from '../base/errors.ts';
import { ElfImage } from '../elf/image.ts';
import type { Acceptance } from './acceptance.ts';
import { type AssemblerCommand, assembleUnit } from './assemble.ts';
import { acceptedInWords, judgeDifference } from './difference-refusals.ts';
import { reachThroughGot } from './got-access.ts';
import { type LeftOut, leftOutOf, type NewSignature } from './left-out.ts';
import type { Unit } from './project.ts';
import type { Refused } from './result.ts';
import { SourceWords } from './source-words.ts';
import { compilerEnvironment } from './toolchain.ts';
import { type TypeFindings, typeDifferences } from './type-differences.ts';
import type { Versions } from './versions.ts';

/** A unit that the fix changes. */
export interface ChangedUnit {
  readonly unit: Unit;
  readonly name: string;
  readonly composed: ComposedUnit;
  readonly object: ElfImage;
  readonly originalObject: ElfImage;
  /** Changed functions that the user's patterns leave out. */
  readonly leftOut: readonly LeftOut[];
  /** Functions of the unit that the compiler could look into when it made the new ones; none at -O0. */
  readonly sees: readonly string[];
  /** Functions of the patch that take or return something else than before, as far as debug information tells. */
  readonly signatures: readonly NewSignature[];
  readonly warnings: readonly string[];
}

export type Comparison =
  | { readonly kind: 'same'; readonly warnings: readonly string[] }
  /** It differs, but in nothing that was selected. */
  | { readonly kind: 'unselected'; readonly leftOut: readonly LeftOut[] }
  | { readonly kind: 'changed'; readonly changed: ChangedUnit }
  | { readonly kind: 'refused'; readonly refused: readonly Refused[] };

/**
 * @param wanted tells by name which changed functions to take
 * @param acceptance what may differ in live data
 * @throws SutureError BAD_FORMAT for assembler text that cannot be read, COMPILE when it cannot be assembled
 */
export async function compareVersions(
  versions: Versions,
  wanted: (name: string) => boolean,
  acceptance: Acceptance,
): Promise<Comparison> {
  // The same bytes in, the same bytes out: most units that a header reaches are done here.
  if (versions.original.equals(versions.patched)) return { kind: 'same', warnings: [] };
  const { unit, name, patched } = versions;
  const command = assemblerCommand(unit);
  const patchedBegun = hasTypes(patched)
    ? assembleUnit(command, patched, `the patched ${name}`)
    : Promise.resolve(undefined);
  try {
    return await compareDiffering(versions, patchedBegun, wanted, acceptance);
  } finally {
    // Whatever the comparison ends with, no assembler is left behind.
    await patchedBegun.catch(() => {});
  }
}

async function compareDiffering(
  { unit, name, original, patched, baseObject, linked }: Versions,
  patchedBegun: Promise<ElfImage | undefined>,
  wanted: (name: string) => boolean,
  acceptance: Acceptance,
): Promise<Comparison> {
  patchedBegun.catch(() => {}); // told where it is wanted
  const command = assemblerCommand(unit);
  const originalObject = await objectOf(baseObject, command, linked ?? original, `the original ${name}`);
  const arch = archOfMachine(originalObject.machine);
  if (arch === undefined)
    throw new SutureError(
      'UNSUPPORTED',
      `${name} is compiled for a CPU that is not known here (ELF machine ${originalObject.machine})`,
    );
  const before = parseUnit(original, arch.assembly, name);
  const after = parseUnit(patched, arch.assembly, name);
  const difference = compareUnits(before, after);
  const words = new SourceWords(name, before, originalObject);
  const { refused: unfit, accepted } = judgeDifference(name, difference, acceptance, words);
  const selection = selectFunctions(after, difference, wanted);
  const { neighbours } = selection;
  const leftOut = leftOutOf(name, after, selection);
  if (selection.functions.size === 0 && unfit.length === 0)
    return leftOut.length > 0
      ? { kind: 'unselected', leftOut }
      : { kind: 'same', warnings: accepted.map((variable) => acceptedInWords(name, variable)) };
  const patchedObject = await patchedBegun;
  const types =
    patchedObject === undefined
      ? NO_TYPES
      : typeDifferences(name, originalObject, patchedObject, acceptance, words);
  const refused = [...types.refused, ...unfit];
  if (refused.length > 0) return { kind: 'refused', refused };
  const composed = composeUnit(before, after, difference, selection);
  const object = await assembleUnit(
    command,
    reachThroughGot(composed, originalObject, arch),
    `the new functions of ${name}`,
  );
  const warnings = [
    ...types.warnings,
    ...accepted.map((variable) => acceptedInWords(name, variable, composed)),
    ...[...neighbours].map(
      ([brought, by]) => `${name}: ${brought} comes along: it was compiled together with ${by}`,
    ),
  ];
  const signatures = composed.functions.flatMap((fn) => {
    const change = types.signatures.get(clonedFrom(fn.name) ?? fn.name);
    return change === undefined ? [] : [{ ...change, unit: name, isLocal: fn.linkage === 'local' }];
  });
  const sees = isOptimized(unit) ? functionsSeenBy(after, difference, selection, before) : [];
  const changed = { unit, name, composed, object, originalObject, leftOut, signatures, sees, warnings };
  return { kind: 'changed', changed };
}

/** The object file as the compiler made it, or else assembled from its text. */
export async function objectOf(
  direct: Buffer | undefined,
  command: AssemblerCommand,
  text: Buffer,
  what: string,
): Promise<ElfImage> {
  return direct === undefined ? await assembleUnit(command, text, what) : ElfImage.parse(direct, what);
}

/** GCC manual, "Optimize Options": the last -O counts, and without one nothing is optimized. */
function isOptimized({ command }: Unit): boolean {
  const level = command.options.findLast((option) => /^-O/.test(option));
  return level !== undefined && level !== '-O0';
}

const NO_TYPES: TypeFindings = { refused: [], warnings: [], signatures: new Map() };

/** Whether the text carries debug information, in which types are described. */
const hasTypes = (text: Buffer): boolean => text.includes('.debug_info');

export function assemblerCommand(unit: Unit): AssemblerCommand {
  const { driver, directory, command } = unit;
  return { driver, options: command.options, directory, environment: compilerEnvironment(unit) };
}
