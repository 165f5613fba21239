/** `libcare-dump`: the header of a patch file, or the ELF object inside. */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ended, FAILED, labelled, type Voice } from './voice.ts';

const USAGE = `usage: libcare-dump -H -i FILE          print the header of a patch
       libcare-dump -c -i FILE -o OUT   write the ELF object inside of it
`;
/** As their tool makes it: nobody's to change. */
const MODE = 0o550;

async function main(voice: Voice): Promise<number> {
  const options = {
    header: flag('H'),
    convert: flag('c'),
    help: flag('h'),
    input: text('i'),
    output: text('o'),
  };
  const { values } = parseArgs({ options });
  const { header, convert, input, output } = values;
  if (values.help === true) {
    voice.out(USAGE);
    return 0;
  }
  if (
    input === undefined ||
    (header === true) === (convert === true) ||
    (convert === true && output === undefined)
  ) {
    voice.err(USAGE);
    return FAILED;
  }
  const { readPatch } = await import('../patch/reader.ts');
  const { sha256 } = await import('../store/catalogue.ts');
  const { HEADER_SIZE, MAGIC } = await import('../patch/layout.ts');
  const { manifest, bytes } = readPatch(new Uint8Array(readFileSync(input)), sha256, input);
  if (convert === true && output !== undefined) {
    writeFileSync(output, bytes.subarray(HEADER_SIZE), { mode: MODE });
    return 0;
  }
  voice.out(
    [
      labelled('Patch Name:', manifest.target.file),
      labelled('Magic:', MAGIC),
      labelled('Patch id:', manifest.id),
      labelled('buildid:', manifest.target.buildId),
    ].join(''),
  );
  return 0;
}

function flag(short: string) {
  return { type: 'boolean' as const, short };
}

function text(short: string) {
  return { type: 'string' as const, short };
}

export const command = (): Promise<void> => ended('libcare-dump', main);
