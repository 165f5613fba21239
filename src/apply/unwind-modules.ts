/**
 * What the unwinder needs to know of a process, gathered before it is stopped: the unwind tables of its objects and of
 * the patches in it.
 */
import { SutureError } from '../base/errors.ts';
import { type LoadBias, loadBias, plus, type Remote, toVaddr, type Vaddr, vaddr } from '../bytes/address.ts';
import { Cursor } from '../bytes/cursor.ts';
import { EhFrame } from '../dwarf/eh-frame.ts';
import { readEncodedPointer } from '../dwarf/pointer-encoding.ts';
import { PT_GNU_EH_FRAME } from '../elf/constants.ts';
import { UnwindCache } from '../unwind/cache.ts';
import type { UnwindModule } from '../unwind/frame.ts';
import type { Region } from './region.ts';
import type { SegmentView, TryRead } from './view.ts';

/** An object as far as unwinding needs it. */
export interface UnwindObject {
  readonly path: string;
  readonly buildId: string | undefined;
  readonly bias: LoadBias;
  readonly start: Remote;
  readonly end: Remote;
  readonly image: {
    readonly segments: readonly SegmentView[];
    readVaddr(at: Vaddr, size: number): Uint8Array;
    readToEnd(at: Vaddr): Uint8Array;
    readonly dynamicSymbols: SymbolsAt;
  };
  /** The file, if it can be read: it has the symbols that memory lacks. */
  readonly file: { readonly symbols: SymbolsAt & { readonly length: number } } | undefined;
}

interface SymbolsAt {
  symbolAt(
    address: Vaddr,
  ): { readonly symbol: { readonly name: string }; readonly offset: number } | undefined;
}

/** Tables by build id: processes of one program share them. */
const tables = new UnwindCache<EhFrame | undefined>();

const HEADER_SIZE = 4;
const VERSION = 1;
const LONGEST_POINTER = 8;

export function unwindModules(
  objects: readonly UnwindObject[],
  regions: readonly Region[],
  tryRead: TryRead,
): UnwindModule[] {
  return [...objects.map(objectModule), ...regions.map((region) => regionModule(region, tryRead))].sort(
    (a, b) => (a.start < b.start ? -1 : 1),
  );
}

function objectModule(object: UnwindObject): UnwindModule {
  const make = () => framesOf(object);
  return {
    name: object.path,
    bias: object.bias,
    start: object.start,
    end: object.end,
    frames: object.buildId === undefined ? make() : tables.get(object.buildId, make),
    symbol(pc) {
      const at = toVaddr(pc, object.bias);
      const inFile = object.file?.symbols.symbolAt(at) ?? object.image.dynamicSymbols.symbolAt(at);
      return inFile && { name: inFile.symbol.name, offset: inFile.offset };
    },
  };
}

/**
 * The table that PT_GNU_EH_FRAME leads to, in memory. LSB Core, "The .eh_frame_hdr section". An object without one,
 * or with a damaged one, is unwound by nobody: its stacks are searched.
 */
function framesOf({ image, path }: UnwindObject): EhFrame | undefined {
  const segment = image.segments.find(({ type }) => type === PT_GNU_EH_FRAME);
  if (segment === undefined) return undefined;
  try {
    const header = image.readVaddr(segment.vaddr, Math.min(segment.memSize, HEADER_SIZE + LONGEST_POINTER));
    if (header[0] !== VERSION) return undefined;
    const cursor = new Cursor(header, `${path}: .eh_frame_hdr`, HEADER_SIZE);
    const pointer = readEncodedPointer(cursor, header[1] ?? 0, {
      section: segment.vaddr,
      data: segment.vaddr,
    });
    if (pointer === undefined || pointer.indirect) return undefined;
    const address = vaddr(pointer.value);
    return EhFrame.parse(image.readToEnd(address), {
      address,
      endsAtTerminator: true,
      name: `${path}: .eh_frame`,
    });
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
