/**
 * A description of where a program keeps the contexts of its coroutines, given with --stacks: what no tool can find out
 * by itself. docs/stacks.md explains it with examples.
 */
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import { SutureError } from '../base/errors.ts';

const offset = v.pipe(v.number(), v.integer(), v.minValue(-0x7fff_ffff), v.maxValue(0x7fff_ffff));
const offsets = v.record(v.string(), offset);

const ContextListSchema = v.strictObject({
  /** For messages. */
  name: v.string(),
  /** File name of the object that holds the symbol; the program itself if left out. */
  object: v.optional(v.string()),
  /** A variable that points to the first context. */
  first: v.string(),
  /** Offset in a context of the pointer to the next one; the list ends with 0 or where it began. */
  next: offset,
  /** Offset in a context of the saved stack pointer. */
  stackPointer: offset,
  /** Offsets in a context of other registers, `pc` among them. */
  saved: v.optional(offsets, {}),
  /** Offsets from the saved stack pointer of registers that were pushed, `pc` among them. */
  pushed: v.optional(offsets, {}),
  /** Bytes that resuming takes off the stack. */
  popped: v.optional(offset, 0),
  /** Names of the registers, `sp` and `pc` among them, that glibc's setjmp has mangled. */
  mangled: v.optional(v.array(v.string()), []),
  /** Functions in which contexts of this list begin: what lies above their frames is nobody's. */
  bottom: v.optional(v.array(v.string()), []),
  /** Contexts of which the word of four bytes at this offset has this value are not suspended. */
  except: v.optional(v.strictObject({ at: offset, equals: v.number() })),
});

export type ContextList = v.InferOutput<typeof ContextListSchema>;

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
