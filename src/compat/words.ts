/**
 * What is sent to the server's socket: words, each with a zero at its end, and an empty word behind the last. Limits as
 * LibcarePlus has them.
 */
export const MAX_MESSAGE = 4096;
export const MAX_WORDS = 31;

export const encodeWords = (words: readonly string[]): Buffer => Buffer.from([...words, '', ''].join('\0'));

/** 'incomplete' until the empty word has come; 'too-long' beyond the limits. */
export function decodeWords(bytes: Buffer): readonly string[] | 'incomplete' | 'too-long' {
  const words: string[] = [];
  for (let at = 0; at < bytes.length && at < MAX_MESSAGE; ) {
    const end = bytes.indexOf(0, at);
    if (end < 0) break;
    if (end === at) return words;
    words.push(bytes.toString('utf8', at, end));
    if (words.length > MAX_WORDS) return 'too-long';
    at = end + 1;
  }
  return bytes.length >= MAX_MESSAGE ? 'too-long' : 'incomplete';
}
