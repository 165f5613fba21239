/**
 * Types whose declaration a diff touches, by the text alone: for builds without debug information, where nothing proves
 * that what running processes hold still has the layout that the new code expects.
 */
import type { ChangedFile } from './diff.ts';

/** Comments, and literals, whose braces are none. C17 6.4.9. */
const NO_CODE = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/g;
const OPENING =
  /\b(struct|union|class|enum)\b((?:\s+(?:\w+|\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)))*)\s*(?::[^{;()]*)?\{/g;

/** Names like `struct session` of types whose bodies differ between the versions of the files, sorted. */
export function touchedTypes(files: readonly ChangedFile[]): string[] {
  const touched = new Set<string>();
  for (const { original, patched } of files) {
    if (original === undefined || patched === undefined) continue;
    const before = bodies(original);
    for (const [name, body] of bodies(patched)) {
      const was = before.get(name);
      if (was !== undefined && was !== body) touched.add(name);
    }
  }
  return [...touched].sort();
}

/** Bodies by name, white space left out; types without a name are told apart by their order. */
function bodies(source: string): Map<string, string> {
  const text = source.replace(NO_CODE, (part) => (part.startsWith('/') ? ' ' : '""'));
  const found = new Map<string, string>();
  let unnamed = 0;
  for (const match of text.matchAll(OPENING)) {
    const [opening, kind = '', words = ''] = match;
    const name = /(\w+)\s*(?:final\s*)?$/.exec(
      words.replace(/\[\[.*?\]\]|__attribute__\s*\(\(.*?\)\)/g, ' '),
    )?.[1];
    const key =
      name === undefined || name === 'class' ? `${kind} without a name (${++unnamed})` : `${kind} ${name}`;
    const from = match.index + opening.length;
    const body = text.slice(from, closing(text, from)).replace(/\s+/g, ' ').trim();
    found.set(key, `${found.get(key) ?? ''}${body};`);
  }
  return found;
}

/** Offset of the brace that closes the one before `from`. */
function closing(text: string, from: number): number {
  let depth = 1;
  for (let at = from; at < text.length; at++) {
    if (text[at] === '{') depth++;
    else if (text[at] === '}' && --depth === 0) return at;
  }
  return text.length;
}
