/** What a reviewer should think of before a patch is signed, read from the patch itself. */
import type { ReviewedFunction, ReviewedPatch } from '../build/review.ts';
import { SECTION } from '../patch/layout.ts';
import type { Patch } from '../patch/patch.ts';
import { counted, listed } from './quantity.ts';

/** One sentence each. */
export function risksOf({ patch, functions }: ReviewedPatch): string[] {
  const { manifest } = patch;
  const looping = functions.filter(hasLoop).map(({ listed: { name } }) => name);
  const added = manifest.variables.filter(({ kind }) => kind === 'new').map(({ name }) => name);
  const escaping = escapingNames(patch);
  const unbound = manifest.imports.filter(({ slot, weak }) => slot === undefined && !weak);
  const scattered = functions.filter(
    ({ listed: fn }) => fn.kind === 'changed' && fn.original!.parts.length > 0,
  );
  return [
    ...sentence(
      looping,
      (names) =>
        `There is a loop in ${names}: a thread that stays in it keeps the patch from being applied, or taken back.`,
    ),
    ...sentence(
      added,
      (names) =>
        `New data: ${names}. It starts fresh in every process and is lost when the patch is taken back.`,
    ),
    ...sentence(
      escaping,
      (names) =>
        `The address of ${names} is taken: it may live on in the program's data, and the patch's memory with it.`,
    ),
    ...sentence(
      unbound.map(({ name }) => name),
      (names) => `To be found when the patch is applied: ${names}. A process without is refused.`,
    ),
    ...sentence(
      scattered.map(({ listed: { name } }) => name),
      (names) =>
        `The code of ${names} lies in several places: no thread may be in any of them while it changes.`,
    ),
    ...(patch.sections.some(({ name, size }) => name === SECTION.exceptTable && size > 0)
      ? [
          'Exceptions are raised, caught or cleaned up after: the unwinder of each process is told of the new code.',
        ]
      : []),
    ...(manifest.requires.length > 0
      ? [`Builds on ${listed(manifest.requires)}, which cannot be taken back first.`]
      : []),
    ...(manifest.functions.length > 20
      ? [`${counted(manifest.functions.length, 'function')} change at once: more threads are in the way.`]
      : []),
  ];
}

const sentence = (names: readonly string[], say: (names: string) => string): string[] =>
  names.length === 0 ? [] : [say(listed(names))];

const hasLoop = ({ parts, listed: fn }: ReviewedFunction): boolean =>
  parts.some(({ before, after }) =>
    (fn.kind === 'changed' ? before : after).some(({ jump }, index) => jump !== undefined && jump <= index),
  );

/** New functions and variables whose address the patch writes down or hands on, not only calls or reads. */
function escapingNames({ sections, symbols, arch, manifest }: Patch): string[] {
  const added = new Set([
    ...manifest.functions.filter(({ kind }) => kind === 'new').map(({ name }) => name),
    ...manifest.variables.filter(({ kind }) => kind === 'new').map(({ name }) => name),
  ]);
  const names = new Set<string>();
  for (const { name: section, kind, relocations } of sections) {
    if (section === SECTION.frames || section === SECTION.exceptTable) continue;
    for (const { type, symbol } of relocations) {
      const { name = '' } = symbols[symbol] ?? {};
      const isAddress = kind === 'data' || arch.relocations.get(type)?.size === 8;
      if (isAddress && added.has(name)) names.add(name);
    }
  }
  return [...names];
}
