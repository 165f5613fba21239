/**
 * Code that a program has generated and told debuggers about, by GDB's JIT interface: a list of object files in its
 * memory, each with the unwind table of the code that it stands for. GDB manual, "JIT Compilation Interface".
 */
import { SutureError } from '../base/errors.ts';
import { loadBias, type Remote, remote, toRemote } from '../bytes/address.ts';
import { record, u32, u64, viewOf } from '../bytes/record.ts';
import { framesOfFile } from '../dwarf/find-frames.ts';
import { ElfImage } from '../elf/image.ts';
import type { UnwindModule } from '../unwind/frame.ts';
import type { UnwindObject } from './unwind-modules.ts';
import type { TryRead } from './view.ts';

const DESCRIPTOR = '__jit_debug_descriptor';

const Descriptor = record('struct jit_descriptor', 24, {
  version: u32,
  actionFlag: u32,
  relevantEntry: u64,
  firstEntry: u64,
});
const Entry = record('struct jit_code_entry', 32, {
  nextEntry: u64,
  prevEntry: u64,
  symfileAddr: u64,
  symfileSize: u64,
});
const VERSION = 1;

/** A program with more entries, or larger ones, generates code faster than it could be followed. */
const MOST_ENTRIES = 1024;
const LARGEST_BYTES = 16n << 20n;

/** The modules of the code that any object of the process has told of. Lists that cannot be read count as empty. */
export function jitModules(objects: readonly UnwindObject[], tryRead: TryRead): UnwindModule[] {
  return objects.flatMap((object) => {
    const symbol = [
      ...object.image.dynamicSymbols.named(DESCRIPTOR),
      ...(object.file?.symbols.named(DESCRIPTOR) ?? []),
    ].find(({ shndx, value }) => shndx !== 0 && value !== 0n);
    return symbol === undefined ? [] : modulesAt(toRemote(symbol.value, object.bias), tryRead);
  });
}

function modulesAt(at: Remote, tryRead: TryRead): UnwindModule[] {
  const bytes = tryRead(at, Descriptor.size);
  if (bytes === undefined) return [];
  const { version, firstEntry } = Descriptor.on(viewOf(bytes), 0);
  if (version !== VERSION) return [];
  const modules: UnwindModule[] = [];
  for (let next = firstEntry, count = 0; next !== 0n && count < MOST_ENTRIES; count++) {
    const entryBytes = tryRead(remote(next), Entry.size);
    if (entryBytes === undefined) break;
    const { nextEntry, symfileAddr, symfileSize } = Entry.on(viewOf(entryBytes), 0);
    if (symfileSize <= LARGEST_BYTES) {
      const file = tryRead(remote(symfileAddr), Number(symfileSize));
      const module = file && moduleOf(file);
      if (module !== undefined) modules.push(module);
    }
    next = nextEntry;
  }
  return modules;
}

/** The code of one file: from the first to the last address of its table. */
function moduleOf(bytes: Uint8Array): UnwindModule | undefined {
  try {
    const file = ElfImage.parse(bytes, 'generated code');
    const frames = framesOfFile(file);
    const first = frames?.starts.at(0);
    if (frames === undefined || first === undefined) return undefined;
    let last = first;
    for (const end of frames.ends) if (end > last) last = end;
    if (last === first) return undefined;
    return {
      name: 'generated code',
      bias: loadBias(0n),
      start: remote(first),
      end: remote(last),
      frames,
      symbol: () => undefined,
    };
  } catch (error) {
    if (error instanceof SutureError) return undefined;
    throw error;
  }
}
