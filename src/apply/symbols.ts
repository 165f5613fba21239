/**
 * Finding an imported symbol in a process as its dynamic linker would: objects in scope order, definitions by name and
 * GNU version. gABI ch. 5, "Shared Object Dependencies"; LSB 5.0, "Symbol Versioning".
 */
import { type Remote, remote, toRemote, vaddr } from '../bytes/address.ts';
import { viewOf } from '../bytes/record.ts';
import { DT_DEBUG, SHN_UNDEF, STB_LOCAL, STT_GNU_IFUNC, STT_TLS } from '../elf/constants.ts';
import type { ObjectView, ProcessView, SymbolView } from './view.ts';

export interface Definition {
  readonly object: ObjectView;
  readonly symbol: SymbolView;
  /** In the target; for a TLS symbol the offset in its object's block. */
  readonly address: Remote;
  /** The address is that of a resolver function. */
  readonly isIfunc: boolean;
}

export interface Lookup {
  readonly name: string;
  readonly version?: string | undefined;
  /** For calls an undefined symbol with a value (the executable's canonical PLT entry) is no definition. */
  readonly use: 'call' | 'address' | 'tls';
}

/** First definition in `scope`, or undefined. */
export function lookup(scope: readonly ObjectView[], wanted: Lookup): Definition | undefined {
  for (const object of scope) {
    const symbol = definitionIn(object, wanted);
    if (symbol === undefined) continue;
    return {
      object,
      symbol,
      address: symbol.type === STT_TLS ? remote(symbol.value) : toRemote(symbol.value, object.bias),
      isIfunc: symbol.type === STT_GNU_IFUNC && symbol.shndx !== SHN_UNDEF,
    };
  }
  return undefined;
}

/**
 * The definition that an object offers. With a version, only that one or an unversioned symbol will do; without,
 * the default version, or an only hidden one as old programs bind.
 */
function definitionIn(object: ObjectView, { name, version, use }: Lookup): SymbolView | undefined {
  let unversioned: SymbolView | undefined;
  let hidden: SymbolView | undefined;
  let hiddenCount = 0;
  for (const symbol of object.image.dynamicSymbols.named(name)) {
    if (symbol.bind === STB_LOCAL) continue;
    if ((symbol.type === STT_TLS) !== (use === 'tls')) continue;
    if (symbol.shndx === SHN_UNDEF && (use !== 'address' || symbol.value === 0n)) continue;
    if (symbol.shndx === SHN_UNDEF) return symbol;
    if (symbol.version === undefined) unversioned ??= symbol;
    else if (version !== undefined) {
      if (symbol.version === version) return symbol;
    } else if (!symbol.versionHidden) return symbol;
    else {
      hidden ??= symbol;
      hiddenCount++;
    }
  }
  return unversioned ?? (hiddenCount === 1 ? hidden : undefined);
}

/** Objects whose definitions a reference from `from` may bind to, in the dynamic linker's order. */
export function scopeOf(process: ProcessView, from: ObjectView): readonly ObjectView[] {
  const { objects: loaded, isKnown } = linkOrder(process);
  const global = globalScope(loaded, isKnown);
  const own = breadthFirst([from], loaded);
  return [...global, ...own.filter((object) => !global.includes(object))];
}

/**
 * The executable, what was preloaded, and what both need, breadth first. Preloaded objects stand in the dynamic
 * linker's list between the executable and the first object that it needs; without the list nobody knows them.
 */
function globalScope(loaded: readonly ObjectView[], isKnown: boolean): readonly ObjectView[] {
  const executable = loaded.find((object) => object.isExecutable);
  if (executable === undefined) return [...loaded];
  const needed = neededBy(executable, loaded);
  const rest = loaded.slice(loaded.indexOf(executable) + 1);
  const firstNeeded = rest.findIndex((object) => needed.includes(object));
  const preloaded = isKnown && firstNeeded > 0 ? rest.slice(0, firstNeeded) : [];
  return breadthFirst([executable, ...preloaded], loaded);
}

function breadthFirst(roots: readonly ObjectView[], loaded: readonly ObjectView[]): ObjectView[] {
  const order = [...roots];
  for (const object of order) {
    for (const next of neededBy(object, loaded)) if (!order.includes(next)) order.push(next);
  }
  return order;
}

function neededBy(object: ObjectView, loaded: readonly ObjectView[]): ObjectView[] {
  return object.image.needed().flatMap((name) => {
    const found = loaded.find((other) => answersTo(other, name));
    return found === undefined ? [] : [found];
  });
}

/** DT_NEEDED names a path, or a name that is an object's DT_SONAME or else its file name. */
function answersTo(object: ObjectView, name: string): boolean {
  if (name.includes('/')) return object.path === name;
  return object.image.soname() === name || object.path.slice(object.path.lastIndexOf('/') + 1) === name;
}

/** Larger than any real list: a loop in the target's memory must not hang this program. */
const MAX_OBJECTS = 4096;
const MODULE_LINKS = { mapAddress: 8, dynamicSection: 16, next: 24, size: 32 } as const;

/**
 * Objects in the order of the dynamic linker's own list (struct r_debug and struct link_map of <link.h>, found by the
 * executable's DT_DEBUG), without the vdso; in order of addresses, the executable first, when there is no list.
 */
function linkOrder(process: ProcessView): { objects: readonly ObjectView[]; isKnown: boolean } {
  const modules = process.modules().filter((module) => !module.isVdso);
  const byDynamic = new Map<bigint, ObjectView>();
  const executable = modules.find((module) => module.isExecutable);
  const order: ObjectView[] = [];
  const debug = executable?.image.dynamic().get(DT_DEBUG)?.[0];
  if (debug !== undefined && debug !== 0n) {
    const readWord = (at: bigint): bigint => {
      const bytes = process.memory.tryRead(remote(at), 8);
      return bytes === undefined ? 0n : viewOf(bytes).getBigUint64(0, true);
    };
    let entry = readWord(debug + BigInt(MODULE_LINKS.mapAddress));
    for (let i = 0; entry !== 0n && i < MAX_OBJECTS; i++) {
      const bytes = process.memory.tryRead(remote(entry), MODULE_LINKS.size);
      if (bytes === undefined) break;
      const view = viewOf(bytes);
      const dynamic = view.getBigUint64(MODULE_LINKS.dynamicSection, true);
      const module = modules.find((m) => dynamic >= m.start && dynamic < m.end);
      if (module !== undefined && !byDynamic.has(dynamic)) {
        byDynamic.set(dynamic, module);
        order.push(module);
      }
      entry = view.getBigUint64(MODULE_LINKS.next, true);
    }
  }
  if (order.length > 0) return { objects: order, isKnown: true };
  const objects = [...modules].sort((a, b) =>
    a.isExecutable !== b.isExecutable ? (a.isExecutable ? -1 : 1) : a.start < b.start ? -1 : 1,
  );
  return { objects, isKnown: false };
}

/** The word at a link-time address of an object, now. */
export function readSlot(process: ProcessView, object: ObjectView, at: bigint): bigint | undefined {
  const bytes = process.memory.tryRead(toRemote(vaddr(at), object.bias), 8);
  return bytes === undefined ? undefined : viewOf(bytes).getBigUint64(0, true);
}
