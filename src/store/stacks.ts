/**
 * A description of where a program keeps the contexts of its coroutines, given with --stacks: what no tool can find out
 * by itself. docs/stacks.md explains it with examples.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { SutureError } from '../base/errors.ts';
import type { ContextList } from '../unwind/context-list.ts';

const offset = v.pipe(v.number(), v.integer(), v.minValue(-0x7fff_ffff), v.maxValue(0x7fff_ffff));
const offsets = v.record(v.string(), offset);

/** See ContextList for what the fields mean. */
const ContextListSchema = v.strictObject({
  name: v.string(),
  object: v.optional(v.string()),
  first: v.string(),
  next: offset,
  stackPointer: offset,
  saved: v.optional(offsets, {}),
  pushed: v.optional(offsets, {}),
  popped: v.optional(offset, 0),
  mangled: v.optional(v.array(v.string()), []),
  bottom: v.optional(v.array(v.string()), []),
  except: v.optional(v.strictObject({ at: offset, equals: v.number() })),
});

const StacksSchema = v.strictObject({ contexts: v.array(ContextListSchema) });

/** Reads a --stacks file. IO when it cannot be read, USAGE with the place when it does not say what it should. */
export function loadStacks(file: string): readonly ContextList[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new SutureError('IO', `cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  const wrong = (what: string): SutureError =>
    new SutureError('USAGE', `${file} does not describe stacks: ${what}`, { remedy: 'see docs/stacks.md' });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw wrong((cause as Error).message);
  }
  const parsed = v.safeParse(StacksSchema, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    throw wrong(`${v.getDotPath(issue) ?? 'the document'}: ${issue.message}`);
  }
  for (const { name, saved, pushed } of parsed.output.contexts) {
    if ('pc' in saved === 'pc' in pushed) throw wrong(`${name}: either saved or pushed has to have pc`);
  }
  return parsed.output.contexts;
}
