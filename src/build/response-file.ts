/**
 * Response files: an argument `@FILE` stands for the arguments in FILE. GCC manual, "Overall Options": separated by
 * white space; quotes of either kind and backslashes protect it; @FILE inside is expanded too; an argument whose file
 * cannot be read is left as it is.
 */
const MAX_DEPTH = 10;

/**
 * @param read gives the text of a file named relative to the command's folder; undefined if it cannot be read
 */
export function expandResponseFiles(
  argv: readonly string[],
  read: (path: string) => string | undefined,
  depth = 0,
): string[] {
  const expanded: string[] = [];
  for (const argument of argv) {
    const text = argument.startsWith('@') && depth < MAX_DEPTH ? read(argument.slice(1)) : undefined;
    if (text === undefined) expanded.push(argument);
    else expanded.push(...expandResponseFiles(splitResponse(text), read, depth + 1));
  }
  return expanded;
}

/** Splits the text of a response file into arguments. */
export function splitResponse(text: string): string[] {
  const found: string[] = [];
  let current: string | undefined;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const char = text[i]!;
    if (char === '\\' && i + 1 < text.length) current = (current ?? '') + text[++i];
    else if (quote !== '') {
      if (char === quote) quote = '';
      else current = (current ?? '') + char;
    } else if (char === '"' || char === "'") {
      quote = char;
      current ??= '';
    } else if (/\s/.test(char)) {
      if (current !== undefined) found.push(current);
      current = undefined;
    } else current = (current ?? '') + char;
  }
  if (current !== undefined) found.push(current);
  return found;
}
