import type { Vaddr } from '../bytes/address.ts';
import { SHF_EXECINSTR } from '../elf/constants.ts';
import type { ElfImage } from '../elf/image.ts';

/** Names that ld, gold, lld and mold give to the stubs through which calls to other objects go. */
const STUBS = new Set(['.plt', '.plt.sec', '.plt.got', '.plt.bnd', '.iplt']);

/** Link-time ranges of a file's linker-made stubs. lld and mold write them without call frame information. */
export function linkerMadeCode(image: ElfImage): { readonly start: Vaddr; readonly end: Vaddr }[] {
  return image.sections
    .filter(({ name, flags }) => (flags & SHF_EXECINSTR) !== 0 && STUBS.has(name))
    .map(({ address, size }) => ({ start: address, end: (address + BigInt(size)) as Vaddr }));
}
