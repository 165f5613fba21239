/** Imports that an earlier patch of the same object defines: found by name in what that patch says about itself. */
import { SutureError } from '../base/errors.ts';
import { plus, remote } from '../bytes/address.ts';
import type { ManifestImport } from '../patch/manifest.ts';
import type { Binding } from './bindings.ts';
import type { Region } from './region.ts';

/** @throws SutureError MISSING_SYMBOL when the patch is not there, or has no such symbol */
export function bindEarlier(
  wanted: ManifestImport & { readonly from: NonNullable<ManifestImport['from']> },
  regions: readonly Region[],
): Binding {
  const { name, from } = wanted;
  const region = regions.find(({ id }) => id === from.patch);
  const found = region && (functionIn(region, name, from.unit) ?? variableIn(region, name, from.unit));
  const isRight = found !== undefined && (from.size === undefined || from.size === found.size);
  if (found === undefined || !isRight) {
    throw new SutureError(
      'MISSING_SYMBOL',
      `the patch ${from.patch} in the process has no ${name} of ${from.unit} as this patch needs it`,
      { remedy: `apply the ${from.patch} that this patch was built after` },
    );
  }
  return {
    name,
    isFunction: found.isFunction,
    callSlot: undefined,
    address: found.address,
    resolver: undefined,
    size: found.size,
    threadOffset: undefined,
  };
}

type Found = Pick<Binding, 'address' | 'isFunction' | 'size'>;

function functionIn({ manifest, functions }: Region, name: string, unit: string): Found | undefined {
  const listed = manifest?.functions.find((fn) => fn.kind === 'new' && fn.name === name && fn.unit === unit);
  // A changed function tells where the code begins.
  const known = functions[0];
  const start = known && manifest?.functions[known.record]?.replacement.offset;
  if (listed === undefined || known === undefined || start === undefined) return undefined;
  const { offset, size } = listed.replacement;
  return { address: plus(known.replacement, offset - start), isFunction: true, size };
}

function variableIn({ manifest, state, start }: Region, name: string, unit: string): Found | undefined {
  const listed = manifest?.variables.find(
    (variable) => variable.kind === 'new' && variable.name === name && variable.unit === unit,
  );
  if (listed?.place === undefined || state === undefined) return undefined;
  const { part, offset } = listed.place;
  const partStart = state.codeSize + (part === 'data' ? state.constantsSize : 0);
  const partSize = part === 'data' ? state.dataSize : state.constantsSize;
  if (offset + listed.size > partSize) return undefined;
  return { address: remote(plus(start, partStart + offset)), isFunction: false, size: listed.size };
}
