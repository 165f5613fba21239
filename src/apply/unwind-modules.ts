/**
 * What the unwinder needs to know of a process, gathered before it is stopped: the unwind tables of its objects and of
 * the patches in it.
 */
import { SutureError } from '../base/errors.ts';
import { type LoadBias, loadBias, plus, type Remote, toVaddr, type Vaddr, vaddr } from '../bytes/address.ts';
import { EhFrame } from '../dwarf/eh-frame.ts';
import { framesOfFile, framesOfObject } from '../dwarf/find-frames.ts';
import type { ElfImage } from '../elf/image.ts';
import type { MemoryImage } from '../elf/memory-image.ts';
import type { UnwindModule } from '../unwind/frame.ts';
import { jitModules } from './jit-modules.ts';
import type { Region } from './region.ts';
import type { TryRead } from './view.ts';

/** An object as far as unwinding needs it. */
export interface UnwindObject {
  readonly path: string;
  readonly buildId: string | undefined;
  readonly bias: LoadBias;
  readonly start: Remote;
  readonly end: Remote;
  readonly image: MemoryImage;
  /** The file, if it can be read: it has the symbols, and in static executables the tables, that memory lacks. */
  readonly file: ElfImage | undefined;
}

/**
 * Tables by the file that they were read from, which processes share. Never by build id, and never from a process's
 * memory: those a process can make up, and the next process would be judged by them.
 */
const tables = new WeakMap<ElfImage, { readonly frames: EhFrame | undefined }>();

export function unwindModules(
  objects: readonly UnwindObject[],
  regions: readonly Region[],
  tryRead: TryRead,
): UnwindModule[] {
  const mapped = [...objects.map(objectModule), ...regions.map((region) => regionModule(region, tryRead))];
  // What a program says of generated code must not stand in the way of what is mapped from files.
  const generated = jitModules(objects, tryRead).filter(
    ({ start, end }) => !mapped.some((module) => start < module.end && end > module.start),
  );
  return [...mapped, ...generated].sort((a, b) => (a.start < b.start ? -1 : 1));
}

function objectModule(object: UnwindObject): UnwindModule {
  return {
    name: object.path,
    bias: object.bias,
    start: object.start,
    end: object.end,
    frames: framesOf(object),
    symbol(pc) {
      const at = toVaddr(pc, object.bias);
      const inFile = object.file?.symbols.symbolAt(at) ?? object.image.dynamicSymbols.symbolAt(at);
      return inFile && { name: inFile.symbol.name, offset: inFile.offset };
    },
  };
}

/** An object without tables, or with damaged ones, is unwound by nobody: its stacks are searched. */
function framesOf({ image, file }: UnwindObject): EhFrame | undefined {
  if (file === undefined) return unlessDamaged(() => framesOfObject(image, undefined));
  const known = tables.get(file) ?? { frames: unlessDamaged(() => framesOfFile(file)) };
  tables.set(file, known);
  return known.frames ?? unlessDamaged(() => framesOfObject(image, file));
}

function unlessDamaged(read: () => EhFrame | undefined): EhFrame | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SutureError) return undefined;
    throw error;
  }
}

/** The table that a patch of ours brought along, whose addresses are already the target's. */
function regionModule(region: Region, tryRead: TryRead): UnwindModule {
  const { start, end, id, state, functions } = region;
  const at = plus(start, state?.ehFrameOffset ?? 0);
  const bytes = state === undefined || state.ehFrameSize === 0 ? undefined : tryRead(at, state.ehFrameSize);
  return {
    name: `patch ${id}`,
    bias: loadBias(0n),
    start,
    end,
    frames: bytes && parseOrNothing(bytes, vaddr(at)),
    symbol(pc) {
      const inside = functions.find(({ replacement, replacementSize }) => {
        return pc >= replacement && pc < plus(replacement, replacementSize);
      });
      return inside && { name: `${inside.name} of ${id}`, offset: Number(pc - inside.replacement) };
    },
  };
}

function parseOrNothing(bytes: Uint8Array, address: Vaddr): EhFrame | undefined {
  try {
    return EhFrame.parse(bytes, { address });
  } catch (error) {
    if (error instanceof SutureError) return undefined;
    throw error;
  }
}

/** The module that holds an address, by bisection. */
export function moduleFinder(modules: readonly UnwindModule[]): (pc: Remote) => UnwindModule | undefined {
  return (pc) => {
    let low = 0;
    let high = modules.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (modules[middle]!.end <= pc) low = middle + 1;
      else high = middle;
    }
    const found = modules[low];
    return found !== undefined && found.start <= pc ? found : undefined;
  };
}
