import type { Arch } from '../arch/arch.ts';
import type { ComposedUnit } from '../asm/difference.ts';
import type { ElfImage } from '../elf/image.ts';

/**
 * The text of a composed unit in which symbols that are new to the unit are reached through the GOT, as far as the
 * instructions allow. Compilers of executables take every variable for the executable's own, as the linker copies
 * those of libraries into it; of one that the unit uses for the first time, say `stderr`, the base may have no copy.
 * What the original refers to directly, the linker has made reachable, and stays as it is. What cannot be replaced
 * stays too, and is refused when it is linked. `elsewhere` names what lies in another patch.
 */
export function reachThroughGot(
  { text, references }: ComposedUnit,
  original: ElfImage,
  arch: Arch,
  elsewhere: ReadonlySet<string> = new Set(),
): string {
  const { throughGot } = arch.link;
  if (throughGot === undefined) return text;
  const added = references
    .filter(
      ({ name, scope }) =>
        elsewhere.has(name) || (scope === 'global' && original.symbols.named(name).length === 0),
    )
    .map(({ name }) => name);
  if (added.length === 0) return text;
  return text
    .split('\n')
    .map((line) => {
      for (const name of added) {
        const replaced = line.includes(name) ? throughGot(line, name) : undefined;
        if (replaced !== undefined) return replaced;
      }
      return line;
    })
    .join('\n');
}
