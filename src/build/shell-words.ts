/** Splits a command as the POSIX shell does, without expansions. POSIX.1-2017, Shell Command Language 2.2, "Quoting". */
export function splitShellWords(command: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < command.length; i++) {
    const char = command[i]!;
    if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (char === "'") {
      const end = closing(command, i, "'");
      word = (word ?? '') + command.slice(i + 1, end);
      i = end;
    } else if (char === '"') {
      const end = closing(command, i, '"');
      word =
        (word ?? '') +
        command
          .slice(i + 1, end)
          .replace(/\\(["\\$`])/g, '$1')
          .replace(/\\\n/g, '');
      i = end;
    } else if (char === '\\' && i + 1 < command.length) {
      const next = command[++i]!;
      if (next !== '\n') word = (word ?? '') + next;
    } else word = (word ?? '') + char;
  }
  if (word !== undefined) words.push(word);
  return words;
}

/** Place of the quote that closes the one at `open`; the end of the text if none does. */
function closing(text: string, open: number, quote: string): number {
  for (let i = open + 1; i < text.length; i++) {
    if (quote === '"' && text[i] === '\\') i++;
    else if (text[i] === quote) return i;
  }
  return text.length;
}
