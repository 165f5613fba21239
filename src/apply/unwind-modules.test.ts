import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { remote } from '../bytes/address.ts';
import { ElfImage } from '../elf/image.ts';
import { MemoryImage } from '../elf/memory-image.ts';
import { unwindModules } from './unwind-modules.ts';

const AT = remote(0x5555_0000_0000n);

/** A library as it lies in a process: its bytes at the addresses of its segments. */
function inMemory(file: Uint8Array): MemoryImage {
  const { segments } = ElfImage.parse(file);
  return MemoryImage.fromMemory((at, size) => {
    const vaddr = at - AT;
    const segment = segments.find((one) => vaddr >= one.vaddr && vaddr < one.vaddr + BigInt(one.memSize));
    if (segment === undefined) return undefined;
    const from = segment.fileOffset + Number(vaddr - segment.vaddr);
    return file.slice(from, from + size);
  }, AT);
}

test('what a process claims of an object in its memory counts for that process alone', () => {
  const folder = mkdtempSync(join(tmpdir(), 'suture-tables-'));
  try {
    const source = join(folder, 'x.c');
    const library = join(folder, 'x.so');
    writeFileSync(source, 'int g(int); int f(int x) { return g(x) + 1; }');
    const segments = ['-Wl,-z,noseparate-code'];
    execFileSync('gcc', ['-O2', '-shared', '-fPIC', '-Wl,--build-id', ...segments, source, '-o', library]);
    const file = new Uint8Array(readFileSync(library));
    const image = ElfImage.parse(file);
    const forged = file.slice();
    const frames = image.section('.eh_frame')!;
    forged.fill(0, frames.fileOffset, frames.fileOffset + frames.size);
    const object = (bytes: Uint8Array, own: ElfImage | undefined) => {
      const memory = inMemory(bytes);
      const { buildId, bias, start, end } = memory;
      return { path: 'x.so', buildId, bias, start, end, image: memory, file: own };
    };
    const framesOf = (bytes: Uint8Array, own?: ElfImage) =>
      unwindModules([object(bytes, own)], [], () => undefined)[0]!.frames?.length ?? 0;
    const sound = ElfImage.parse(file);

    assert.equal(framesOf(forged), 0, 'the forger first, with the same build id');
    assert.ok(framesOf(file) > 0, 'the next one without a file');
    assert.ok(framesOf(forged, sound) > 0, 'where the file is there it is what counts');
    assert.ok(framesOf(file, sound) > 0);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
