/**
 * The manifest's shape as a check: what passes is a Manifest, whatever wrote it. Lengths are bounded, so that a
 * hostile file costs no more than its size; unknown keys are refused, because what this version does not know it
 * cannot honour.
 */
import * as v from 'valibot';
import { SutureError } from '../base/errors.ts';
import { MANIFEST_FORMAT, type Manifest } from './manifest.ts';

const MAX_ENTRIES = 1 << 16;
const MAX_NAME = 1 << 14;
const MAX_TEXT = 1 << 16;
/** Bytes of one code range: redirects reach less than this. */
const MAX_SIZE = 2 ** 31 - 1;

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(MAX_SIZE));
/** One line without control characters: it goes to terminals. */
const name = v.pipe(v.string(), v.minLength(1), v.maxLength(MAX_NAME), v.regex(/^[^\x00-\x1f\x7f]+$/));
const line = v.pipe(v.string(), v.maxLength(MAX_TEXT), v.regex(/^[^\x00-\x1f\x7f]*$/));
const description = v.pipe(v.string(), v.maxLength(MAX_TEXT), v.regex(/^[^\x00-\x08\x0b-\x1f\x7f]*$/));
const address = v.pipe(v.string(), v.regex(/^0x(0|[1-9a-f][0-9a-f]{0,15})$/));
const list = <T extends v.GenericSchema>(item: T) => v.pipe(v.array(item), v.maxLength(MAX_ENTRIES));

/** 1 to 64 characters of [A-Za-z0-9._-]. */
const id = v.pipe(v.string(), v.regex(/^[A-Za-z0-9._-]{1,64}$/));

const codeRange = { address, size };
const placed = v.strictObject({ offset: size, size });

const manifestFunction = v.strictObject({
  name,
  kind: v.picklist(['changed', 'new']),
  unit: line,
  reason: line,
  original: v.exactOptional(
    v.strictObject({
      ...codeRange,
      entryBytes: v.pipe(v.string(), v.maxLength(64), v.regex(/^([0-9a-f]{2})+$/)),
      redirectOffset: v.pipe(size, v.maxValue(64)),
      parts: list(v.strictObject(codeRange)),
    }),
  ),
  replacement: placed,
  replacementParts: list(placed),
});

const manifestSchema = v.strictObject({
  format: v.literal(MANIFEST_FORMAT),
  id,
  description,
  cpu: name,
  target: v.strictObject({
    buildId: v.pipe(v.string(), v.regex(/^([0-9a-f]{2}){1,64}$/)),
    file: v.pipe(name, v.regex(/^[^/]+$/)),
    type: v.picklist(['executable', 'library']),
  }),
  functions: list(manifestFunction),
  variables: list(
    v.strictObject({
      name,
      kind: v.picklist(['new', 'existing']),
      unit: line,
      size,
      place: v.exactOptional(v.strictObject({ part: v.picklist(['constants', 'data']), offset: size })),
    }),
  ),
  imports: list(
    v.strictObject({
      name,
      version: v.exactOptional(name),
      type: v.picklist(['function', 'object', 'tls', 'unknown']),
      weak: v.boolean(),
      slot: v.exactOptional(v.strictObject({ address, kind: v.picklist(['jump-slot', 'glob-dat']) })),
      from: v.exactOptional(v.strictObject({ patch: id, unit: line, size: v.exactOptional(size) })),
    }),
  ),
  requires: list(id),
  sees: v.exactOptional(list(v.strictObject({ unit: line, functions: list(name) }))),
  compiler: line,
  warnings: list(line),
  builtAt: v.exactOptional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
});

/**
 * Checks the text of a manifest and returns it.
 * @throws SutureError BAD_PATCH naming the first field that is wrong.
 */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new SutureError('BAD_PATCH', 'the manifest is not JSON');
  }
  const format = typeof value === 'object' && value !== null && 'format' in value ? value.format : undefined;
  if (typeof format === 'number' && format !== MANIFEST_FORMAT) {
    throw new SutureError(
      'BAD_PATCH',
      `the manifest has format ${format}; this version reads ${MANIFEST_FORMAT}`,
      {
        remedy: 'use the version of suture that built the patch, or build the patch again',
      },
    );
  }
  return checkManifest(value);
}

/** Checks a value against the manifest's schema. @throws SutureError BAD_PATCH */
export function checkManifest(value: unknown): Manifest {
  const result = v.safeParse(manifestSchema, value, { abortEarly: true });
  if (result.success) return result.output;
  const issue = result.issues[0];
  const path = v.getDotPath(issue) ?? 'the whole';
  throw new SutureError('BAD_PATCH', `the manifest is wrong at ${path}: ${issue.message.slice(0, 300)}`);
}

/**
 * The manifest as canonical JSON: keys in the schema's order, no spaces, nothing but ASCII (other characters as
 * escapes), so that equal manifests are equal bytes.
 * @throws SutureError BAD_PATCH when the manifest breaks a rule that a reader would refuse it for.
 */
export function manifestText(manifest: Manifest): string {
  // The schema's output has its keys in the schema's order, whatever the order in the input.
  return JSON.stringify(checkManifest(manifest)).replace(
    /[^\x00-\x7f]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
