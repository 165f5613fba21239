/**
 * Names for the code that patches brought into a process, for programs that know nothing of patches: a symbol file for
 * debuggers and a map for profilers. A body's name is its function's with the patch's id behind a dot, which demanglers
 * show as a clone of the function.
 */
import type { Arch } from '../arch/arch.ts';
import { loadBias, plus, type Remote, toVaddr } from '../bytes/address.ts';
import {
  ET_EXEC,
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHT_NOBITS,
  SHT_PROGBITS,
  STB_GLOBAL,
  STT_FUNC,
} from '../elf/constants.ts';
import { type OutputSection, type OutputSymbol, writeObject } from '../elf/writer.ts';
import { type Region, readRegions } from './region.ts';
import type { ProcessView } from './view.ts';

/** Code of a patch, in the target. */
export interface NamedCode {
  readonly name: string;
  readonly start: Remote;
  /** Bytes. */
  readonly size: number;
}

/** The patches of a process as far as debuggers care. */
export interface PatchCode {
  readonly id: string;
  readonly start: Remote;
  /** Bytes of the mapping that holds the code. */
  readonly size: number;
  readonly code: readonly NamedCode[];
  /** The unwind table (.eh_frame), whose addresses are already the target's. */
  readonly frames: { readonly start: Remote; readonly bytes: Uint8Array } | undefined;
}

/** What is in the process now, read without stopping it; patches that were taken back are left out. */
export function patchCodeOf(process: ProcessView): PatchCode[] {
  const { tryRead } = process.memory;
  return readRegions(process.maps(), tryRead, process.arch).regions.map((region) => {
    const { state, start } = region;
    const size = state?.ehFrameSize ?? 0;
    const at = plus(start, state?.ehFrameOffset ?? 0);
    const bytes = size === 0 ? undefined : tryRead(at, size);
    return {
      id: region.id,
      start,
      size: state?.codeSize ?? Number(region.end - start),
      code: codeOf(region),
      frames: bytes && { start: at, bytes },
    };
  });
}

function codeOf({ id, start, state, manifest, functions, added }: Region): NamedCode[] {
  const named = (name: string, at: Remote, size: number): NamedCode => ({
    name: `${name}.${id}`,
    start: at,
    size,
  });
  if (state === undefined || manifest === undefined) {
    return [
      ...functions.map((fn) => named(fn.name, fn.replacement, fn.replacementSize)),
      ...(added ?? []).map((fn, i) => named(`new${i}`, fn.start, fn.size)),
    ];
  }
  const text = plus(start, state.textOffset);
  const bodies = manifest.functions.flatMap(({ name, replacement, replacementParts }) => [
    named(name, plus(text, replacement.offset), replacement.size),
    ...replacementParts.map((part) => named(`${name}.cold`, plus(text, part.offset), part.size)),
  ]);
  if (state.stubsSize === 0) return bodies;
  return [named('stubs', plus(start, state.stubsOffset), state.stubsSize), ...bodies];
}

/** An ELF file for a debugger, linked at the addresses of this process: names and unwind tables, no code. */
export function symbolFile(patches: readonly PatchCode[], arch: Arch): Uint8Array {
  const inTarget = loadBias(0n);
  const sections: OutputSection[] = [];
  const symbols: OutputSymbol[] = [];
  for (const patch of patches) {
    const section = sections.length;
    sections.push({
      name: `.text.${patch.id}`,
      type: SHT_NOBITS,
      flags: SHF_ALLOC | SHF_EXECINSTR,
      address: toVaddr(patch.start, inTarget),
      bytes: new Uint8Array(),
      size: patch.size,
      align: 1,
    });
    for (const { name, start, size } of patch.code)
      symbols.push({ name, bind: STB_GLOBAL, type: STT_FUNC, section, value: start, size });
  }
  for (const { frames } of patches) {
    if (frames === undefined) continue;
    const address = toVaddr(frames.start, inTarget);
    sections.push({
      name: '.eh_frame',
      type: SHT_PROGBITS,
      flags: SHF_ALLOC,
      address,
      bytes: frames.bytes,
      align: 8,
    });
  }
  return writeObject({ type: ET_EXEC, machine: arch.elfMachine, sections, symbols }).bytes;
}

/** What perf reads from /tmp/perf-PID.map: a line of start, size (hexadecimal) and name for each piece of code. */
export function perfMap(patches: readonly PatchCode[]): string {
  const lines = patches
    .flatMap(({ code }) => code)
    .map(({ name, start, size }) => `${start.toString(16)} ${size.toString(16)} ${name}\n`);
  return lines.join('');
}
