/**
 * What each symbol that a patch imports is bound to in one process.
 *
 * The base's own binding comes first: what the program uses already is right by definition, whatever scopes, versions
 * or preloads made it so. A call then goes through the base's own slot, so that a symbol which is bound on its first
 * call stays that way. What the base does not import is looked up as the dynamic linker would.
 */
import type { LinkFacts } from '../arch/arch.ts';
import { SutureError } from '../base/errors.ts';
import { type Remote, remote, toRemote } from '../bytes/address.ts';
import { STT_FUNC, STT_GNU_IFUNC } from '../elf/constants.ts';
import type { ManifestImport } from '../patch/manifest.ts';
import { bindEarlier } from './earlier.ts';
import type { Region } from './region.ts';
import { type Definition, lookup, readSlot, scopeOf } from './symbols.ts';
import { type ThreadOffset, threadStorageOf } from './thread-storage.ts';
import type { DynamicRelocationView, ObjectView, ProcessView } from './view.ts';

export interface Binding {
  readonly name: string;
  readonly isFunction: boolean;
  /** Word of the base through which calls go, if it has one. */
  readonly callSlot: Remote | undefined;
  /** The symbol's address; 0 for a weak symbol that nobody defines. */
  readonly address: Remote;
  /** Instead of `address`: a resolver to call in the target, which returns the address. */
  readonly resolver: Remote | undefined;
  readonly size: number;
  readonly threadOffset: ThreadOffset | undefined;
}

/** What the relocations of a patch ask of its imports. */
export interface ImportUse {
  /** Its address is needed, not only a way to call it. */
  readonly address: boolean;
  readonly call: boolean;
}

/**
 * Binds every import, in order; `earlier` are the patches of the object that stay in force.
 * @throws SutureError MISSING_SYMBOL naming all that nobody defines.
 */
export function bindImports(
  process: ProcessView,
  base: ObjectView,
  imports: readonly ManifestImport[],
  uses: readonly ImportUse[],
  earlier: readonly Region[] = [],
): Binding[] {
  if (imports.length === 0) return [];
  const slots = slotsByName(base, process.arch.link, new Set(imports.map(({ name }) => name)));
  const scope = scopeOf(process, base);
  const missing: string[] = [];
  const bindings = imports.map((wanted, index) => {
    if (wanted.from !== undefined) return bindEarlier({ ...wanted, from: wanted.from }, earlier);
    const use = uses[index] ?? { address: true, call: true };
    const binding =
      wanted.type === 'tls'
        ? bindThreadLocal(process, scope, wanted)
        : bindOne(process, base, scope, slots.get(wanted.name) ?? {}, wanted, use);
    if (binding !== undefined) return binding;
    if (!wanted.weak)
      missing.push(wanted.version === undefined ? wanted.name : `${wanted.name}@${wanted.version}`);
    return { ...absent, name: wanted.name };
  });
  if (missing.length > 0) {
    throw new SutureError(
      'MISSING_SYMBOL',
      `the process has no definition of ${missing.join(', ')} that ${base.path} could bind to`,
      { remedy: 'the fix needs a library, or a version of one, that this program has not loaded' },
    );
  }
  return bindings;
}

const absent: Binding = {
  name: '',
  isFunction: false,
  callSlot: undefined,
  address: remote(0n),
  resolver: undefined,
  size: 0,
  threadOffset: undefined,
};

interface Slots {
  jumpSlot?: DynamicRelocationView;
  globDat?: DynamicRelocationView;
}

/** The base's words that the dynamic linker fills with the addresses of these symbols. */
function slotsByName(base: ObjectView, link: LinkFacts, names: ReadonlySet<string>): Map<string, Slots> {
  const found = new Map<string, Slots>();
  for (const relocation of base.image.dynamicRelocations(new Set([link.jumpSlot, link.globDat]))) {
    const name = relocation.symbol?.name;
    if (name === undefined || !names.has(name)) continue;
    const slots = found.get(name) ?? {};
    if (relocation.type === link.jumpSlot) slots.jumpSlot = relocation;
    else slots.globDat = relocation;
    found.set(name, slots);
  }
  return found;
}

/** Whether the base's slot is for the version that is asked for. */
const sameVersion = (slot: DynamicRelocationView | undefined, wanted: ManifestImport) =>
  slot !== undefined &&
  (wanted.version === undefined ||
    slot.symbol?.version === undefined ||
    slot.symbol.version === wanted.version)
    ? slot
    : undefined;

function bindOne(
  process: ProcessView,
  base: ObjectView,
  scope: readonly ObjectView[],
  slots: Slots,
  wanted: ManifestImport,
  use: ImportUse,
): Binding | undefined {
  const globDat = sameVersion(slots.globDat, wanted);
  const jumpSlot = sameVersion(slots.jumpSlot, wanted);
  const callSlot = jumpSlot ?? globDat;
  const bound = globDat && readSlot(process, base, globDat.at);
  const common = {
    name: wanted.name,
    isFunction: wanted.type === 'function' || jumpSlot !== undefined,
    callSlot: callSlot && toRemote(callSlot.at, base.bias),
    threadOffset: undefined,
  };
  if (bound !== undefined && bound !== 0n) {
    const size = globDat?.symbol?.size ?? 0;
    return { ...common, address: remote(bound), resolver: undefined, size };
  }
  if (jumpSlot !== undefined && !use.address) {
    return { ...common, address: remote(0n), resolver: undefined, size: 0 };
  }
  const definition = lookup(scope, {
    name: wanted.name,
    version: wanted.version,
    use: use.address ? 'address' : 'call',
  });
  if (definition === undefined) return undefined;
  const isFunction = [STT_FUNC, STT_GNU_IFUNC].includes(definition.symbol.type) || common.isFunction;
  const { size } = definition.symbol;
  if (!definition.isIfunc)
    return { ...common, isFunction, address: definition.address, resolver: undefined, size };
  const chosen = boundElsewhere(process, definition);
  return chosen !== undefined
    ? { ...common, isFunction, address: chosen, resolver: undefined, size }
    : { ...common, isFunction, address: remote(0n), resolver: definition.address, size };
}

/**
 * What an indirect function's resolver returned when another object bound it: the word of that object, provided that
 * it leads into the object that defines the function (an unbound one leads into its owner's own PLT).
 */
function boundElsewhere(process: ProcessView, { object, symbol }: Definition): Remote | undefined {
  const { link } = process.arch;
  for (const other of process.modules()) {
    if (other === object || other.isVdso) continue;
    if (
      !other.image.dynamicSymbols
        .named(symbol.name)
        .some((s) => s.shndx === 0 && s.version === symbol.version)
    )
      continue;
    for (const relocation of other.image.dynamicRelocations(new Set([link.jumpSlot, link.globDat]))) {
      if (relocation.symbol?.name !== symbol.name || relocation.symbol.version !== symbol.version) continue;
      const value = readSlot(process, other, relocation.at);
      if (value !== undefined && value >= object.start && value < object.end) return remote(value);
    }
  }
  return undefined;
}

function bindThreadLocal(
  process: ProcessView,
  scope: readonly ObjectView[],
  { name, version }: ManifestImport,
): Binding | undefined {
  const definition = lookup(scope, { name, version, use: 'tls' });
  if (definition === undefined) return undefined;
  const { size, value } = definition.symbol;
  return {
    ...absent,
    name,
    size,
    threadOffset: { storage: threadStorageOf(process, definition.object), offset: value },
  };
}
