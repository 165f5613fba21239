import { SutureError } from '../base/errors.ts';
import { viewOf } from '../bytes/record.ts';
import { ELFCLASS64, ELFDATA2LSB, EV_CURRENT } from './constants.ts';
import { Ehdr } from './layout.ts';

/** Checks e_ident and yields a cursor over the ELF header. NOT_ELF: something else; UNSUPPORTED: another kind of ELF. */
export function readHeader(bytes: Uint8Array, what: string): ReturnType<typeof Ehdr.on> {
  if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) {
    throw new SutureError('NOT_ELF', `${what} is not an ELF file`);
  }
  if (bytes.length < Ehdr.size) throw new SutureError('BAD_FORMAT', `${what}: the ELF header is cut short`);
  const header = Ehdr.on(viewOf(bytes), 0);
  if (header.class !== ELFCLASS64) {
    throw new SutureError('UNSUPPORTED', `${what} is not a 64-bit ELF file (class ${header.class})`);
  }
  if (header.data !== ELFDATA2LSB) {
    throw new SutureError('UNSUPPORTED', `${what} is not a little-endian ELF file (data ${header.data})`);
  }
  if (header.identVersion !== EV_CURRENT) {
    throw new SutureError('BAD_FORMAT', `${what}: unknown ELF version ${header.identVersion}`);
  }
  return header;
}
