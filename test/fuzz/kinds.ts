/** What is fuzzed: for each kind, how an input is made from a seed and what is asked of it. */
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import { readRegions } from '../../src/apply/region.ts';
import { standings } from '../../src/apply/stack.ts';
import { x86_64 } from '../../src/arch/x86_64/index.ts';
import { compareUnits, parseUnit } from '../../src/asm/index.ts';
import { SutureError } from '../../src/base/errors.ts';
import { applyDiffs } from '../../src/build/diff.ts';
import { remote, vaddr } from '../../src/bytes/address.ts';
import { debugSectionsOf } from '../../src/dwarf/debug-sections.ts';
import { EhFrame } from '../../src/dwarf/eh-frame.ts';
import { readTypeInfo } from '../../src/dwarf/types.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { HEADER_SIZE, SECTION } from '../../src/patch/layout.ts';
import type { Patch } from '../../src/patch/patch.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { sha256 } from '../../src/store/catalogue.ts';
import { Journal } from '../../src/store/state.ts';
import type { Workshop } from '../apply/fixture.ts';
import { askFrames, askImage, askMemory } from './ask-elf.ts';
import type { Chance } from './chance.ts';
import { fieldsOfElf } from './elf-fields.ts';
import { ask, elfSamples } from './elf-samples.ts';
import { type Field, mutatedBytes, mutatedJson, mutatedText } from './mutation.ts';

export interface FuzzKind {
  readonly name: string;
  /** Inputs of this kind for each of the rarest. */
  readonly weight: number;
  input(chance: Chance): Uint8Array;
  /** True if the input was taken for good; throws if it was answered in any way but a clear error. */
  check(input: Uint8Array): boolean;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

interface Sample {
  readonly bytes: Uint8Array;
  readonly fields: readonly Field[];
}

const mutatedSample = (samples: readonly Sample[], chance: Chance): Uint8Array => {
  const { bytes, fields } = chance.of(samples);
  return mutatedBytes(bytes, fields, chance);
};

/**
 * @param patch a sound patch file for a program of the workshop
 * @param region as the patch lies in a process, from its start on, at `regionAt`
 * @param tryOn what a patch that still reads well is tried on; must change nothing
 */
export function fuzzKinds(
  shop: Workshop,
  patch: Uint8Array,
  region: { readonly at: bigint; readonly bytes: Uint8Array },
  tryOn: (patch: Patch) => void,
): FuzzKind[] {
  const elfs = elfSamples().map((bytes) => ({ bytes, fields: fieldsOfElf(bytes) }));
  const frames = elfs.map(({ bytes }) => {
    const image = ElfImage.parse(bytes);
    const section = image.section('.eh_frame')!;
    return { bytes: image.contents(section), address: section.address, fields: [] };
  });
  const debug = debugSectionsOf(ElfImage.parse(elfs[0]!.bytes), inflateSync)!;
  const assembly = assemblyText(shop);
  const unit = parseUnit(assembly, x86_64.assembly, 'unit');
  return [
    {
      name: 'ELF file',
      weight: 3,
      input: (chance) => mutatedSample(elfs, chance),
      check: answered(askImage),
    },
    {
      name: 'ELF in memory',
      weight: 3,
      input: (chance) => mutatedSample(elfs, chance),
      check: answered(askMemory),
    },
    {
      name: 'call frames',
      weight: 4,
      input: (chance) => mutatedSample(frames, chance),
      check: answered(
        (bytes) => askFrames(bytes, frames[0]!.address, false),
        (bytes) => EhFrame.parse(bytes, { address: vaddr(frames[0]!.address) }),
      ),
    },
    {
      name: 'DWARF types',
      weight: 2,
      input: (chance) => mutatedBytes(chance.below(2) === 0 ? debug.info : debug.abbrev, [], chance),
      check: (bytes) => {
        const isInfo = bytes.length > debug.abbrev.length * 1.2;
        return asked(() => readTypeInfo(isInfo ? { ...debug, info: bytes } : { ...debug, abbrev: bytes }));
      },
    },
    ...patchKinds(patch, tryOn),
    regionKind(region),
    journalKind(shop),
    {
      name: 'diff',
      weight: 2,
      input: (chance) => utf8(mutatedText(DIFF, chance)),
      check: (bytes) =>
        asked(() =>
          applyDiffs(
            [{ name: 'input', text: latin1(bytes) }],
            (path) => (path.endsWith('a.c') ? ORIGINAL : undefined),
            () => {},
          ),
        ),
    },
    {
      name: 'assembler text',
      weight: 1,
      input: (chance) => utf8(mutatedText(assembly, chance)),
      check: (bytes) => asked(() => compareUnits(unit, parseUnit(bytes, x86_64.assembly, 'input'))),
    },
  ];
}

/** True if there was an answer, false if a clear error. */
function asked(question: () => unknown): boolean {
  let isAnswered = false;
  ask(() => {
    question();
    isAnswered = true;
  });
  return isAnswered;
}

const answered =
  (
    askAll: (bytes: Uint8Array) => void,
    first: (bytes: Uint8Array) => unknown = (bytes) => ElfImage.parse(bytes),
  ) =>
  (bytes: Uint8Array): boolean => {
    askAll(bytes);
    return asked(() => first(bytes));
  };

function patchKinds(patch: Uint8Array, tryOn: (patch: Patch) => void): FuzzKind[] {
  const elf = ElfImage.parse(patch.subarray(HEADER_SIZE));
  const manifest = elf.section(SECTION.manifest)!;
  const digestAt = HEADER_SIZE + elf.section(SECTION.digest)!.fileOffset;
  const manifestAt = HEADER_SIZE + manifest.fileOffset;
  const fields = [
    { at: 0, size: HEADER_SIZE, step: 8 },
    ...fieldsOfElf(patch.subarray(HEADER_SIZE), HEADER_SIZE),
  ];
  const text = JSON.parse(latin1(patch.subarray(manifestAt, manifestAt + manifest.size))) as unknown;
  const sealed = (bytes: Uint8Array): Uint8Array => {
    if (digestAt + 32 > bytes.length) return bytes;
    bytes.fill(0, digestAt, digestAt + 32);
    bytes.set(sha256(bytes), digestAt);
    return bytes;
  };
  const check = (bytes: Uint8Array): boolean => {
    let read: Patch | undefined;
    ask(() => {
      read = readPatch(bytes, sha256, 'input');
    });
    if (read === undefined) return false;
    const { sections, symbols } = read;
    for (const { size, relocations } of sections) {
      for (const { offset, symbol } of relocations) {
        if (offset >= size || symbols[symbol] === undefined)
          throw new Error('a relocation outside of its section');
      }
    }
    tryOn(read);
    return true;
  };
  const withManifest = (chance: Chance): Uint8Array => {
    const changed = utf8(JSON.stringify(mutatedJson(text, chance)));
    const out = patch.slice();
    // What is shorter is filled with spaces, which JSON allows; what is longer is cut.
    out.fill(0x20, manifestAt, manifestAt + manifest.size);
    out.set(changed.subarray(0, manifest.size), manifestAt);
    return sealed(out);
  };
  const foreign = foreignFile(patch);
  return [
    { name: 'patch file', weight: 1, input: (chance) => mutatedBytes(patch, fields, chance), check },
    {
      name: 'patch, digest right',
      weight: 4,
      input: (chance) => sealed(mutatedBytes(patch, fields, chance)),
      check,
    },
    { name: 'manifest, digest right', weight: 4, input: withManifest, check },
    { name: 'LibcarePlus file', weight: 3, input: (chance) => mutatedBytes(foreign, fields, chance), check },
  ];
}

/** The same file with our sections under names that mean nothing: what LibcarePlus writes. */
function foreignFile(patch: Uint8Array): Uint8Array {
  const out = patch.slice();
  const text = Buffer.from(out.buffer, out.byteOffset, out.length);
  for (const name of [SECTION.manifest, SECTION.digest])
    text.write('.comment'.padEnd(name.length, 'x'), text.lastIndexOf(`${name}\0`), 'latin1');
  return out;
}

/** A patch in a process, whose owner may write there what it likes. */
function regionKind({ at, bytes: whole }: { readonly at: bigint; readonly bytes: Uint8Array }): FuzzKind {
  const fields = [
    { at: 0, size: 1024, step: 8 },
    { at: 0, size: 4096, step: 8 },
  ];
  const mapping = { read: true, write: false, execute: true, shared: false, fileOffset: 0, path: '' };
  return {
    name: 'patch in a process',
    weight: 3,
    input: (chance) => mutatedBytes(whole, fields, chance),
    check: (bytes) => {
      const end = at + BigInt((bytes.length + 4095) & ~4095);
      const tryRead = (from: bigint, size: number): Uint8Array | undefined => {
        const offset = Number(from - at);
        if (offset < 0 || from + BigInt(size) > end) return undefined;
        const out = new Uint8Array(size);
        out.set(bytes.subarray(offset, offset + size));
        return out;
      };
      return asked(() => {
        const maps = [{ ...mapping, start: remote(at), end: remote(end) }];
        const { regions, broken } = readRegions(maps, tryRead, x86_64);
        standings(regions, tryRead, x86_64);
        if (regions.length === 0) throw new SutureError('BAD_FORMAT', broken[0]?.reason ?? 'no region');
      });
    },
  };
}

function journalKind(shop: Workshop): FuzzKind {
  const directory = join(shop.directory, 'journals');
  const path = join(directory, '1-1');
  const journal =
    '{"tool":{"pid":4194999,"startTime":"17"},"mappings":[{"start":"0x7f0000000000","size":8192}]}\n{"start":"0x7f0000004000","size":4096}\n';
  {
    using _ = Journal.open({ pid: 1, startTime: 1n }, directory);
  }
  return {
    name: 'journal',
    weight: 1,
    input: (chance) => utf8(mutatedText(journal, chance)),
    check: (bytes) => {
      writeFileSync(path, bytes);
      return asked(() => {
        using opened = Journal.open({ pid: 1, startTime: 1n }, directory);
        for (const { size } of opened.inherited)
          if (!Number.isSafeInteger(size)) throw new Error('a size that is none');
      });
    },
  };
}

const ORIGINAL = Array.from({ length: 60 }, (_, i) => `line ${i}\n`).join('');
const DIFF = `diff --git a/src/a.c b/src/a.c
index 123..456 100644
--- a/src/a.c
+++ b/src/a.c
@@ -3,7 +3,8 @@ int f(void)
 line 2
 line 3
 line 4
-line 5
+line five
+line more
 line 6
 line 7
 line 8
@@ -40,6 +41,5 @@
 line 39
 line 40
-line 41
 line 42
 line 43
 line 44
diff --git a/new.c b/new.c
new file mode 100644
--- /dev/null
+++ b/new.c
@@ -0,0 +1,2 @@
+int x;
+int y;
`;

function assemblyText(shop: Workshop): string {
  const source = join(shop.directory, 'unit.c');
  writeFileSync(
    source,
    'static int t[4] = {1}; extern int g; int h(const char *); static int s(int a) { switch (a) { case 1: return 2; case 2: return h("x"); case 3: return t[1]; case 5: return 9; default: return g; } } int f(int a) { static int n; return s(a) + n++ + h("y"); }',
  );
  const output = join(shop.directory, 'unit.s');
  const ended = spawnSync('gcc', ['-O2', '-S', '-o', output, source], { encoding: 'utf8' });
  if (ended.status !== 0) throw new Error(ended.stderr);
  return readFileSync(output, 'latin1');
}
