/**
 * Finds the lines of a C or C++ source before which a preprocessing directive may stand: not inside a comment, a
 * literal, a continued line, or parentheses (which may be a macro's arguments: C17 6.10.3p11 leaves a directive there
 * undefined). Follows C17 5.1.1.2 (splices before comments before tokens) and C++17 [lex.pptoken] for raw strings.
 */

interface Conditional {
  /** Parentheses open where the #if stands. */
  readonly depth: number;
  /** The most that any branch so far left open. */
  deepest: number;
  /** Whether the branch being read is `#if 0` text, which need not be C at all. */
  skipped: boolean;
}

/** What lies open between two lines. */
type Within = 'code' | 'comment' | 'line-comment' | 'literal' | 'raw-string';

/**
 * @returns for each line (split at '\n') whether a directive may be put before it
 */
export function directivePlaces(lines: readonly string[]): boolean[] {
  const scanner = new Scanner();
  const afterWord: boolean[] = [];
  const free = lines.map((line) => {
    afterWord.push(scanner.afterWord);
    const isFree = scanner.isFree();
    scanner.line(line.endsWith('\r') ? line.slice(0, -1) : line);
    return isFree;
  });
  // A macro's name and its arguments may stand on lines of their own.
  let opensArguments = false;
  for (let i = lines.length - 1; i >= 0; i--) {
    if (/\S/.test(lines[i]!)) opensArguments = /^\s*\(/.test(lines[i]!);
    if (opensArguments && afterWord[i] === true) free[i] = false;
  }
  return free;
}

class Scanner {
  #within: Within = 'code';
  /** The line before ended in a backslash. */
  #continued = false;
  /** Inside a directive (its continued lines too). */
  #directive = false;
  #depth = 0;
  /** Closing text of the open raw string. */
  #rawEnd = '';
  /** Closing character of the open literal. */
  #quote = '';
  readonly #conditionals: Conditional[] = [];
  /** The last token outside of directives and comments is a word. */
  afterWord = false;

  isFree(): boolean {
    return !this.#continued && this.#within === 'code' && this.#depth === 0 && !this.#skipping();
  }

  line(text: string): void {
    let at = 0;
    const spliced = this.#continued;
    this.#continued = text.endsWith('\\');
    const end = this.#continued ? text.length - 1 : text.length;
    if (!spliced && this.#within === 'code') {
      this.#directive = false;
      const directive = /^\s*(?:#|%:)\s*(\w*)\s*(.*)/.exec(text);
      if (directive !== null) {
        this.#directive = true;
        this.#conditional(directive[1]!, directive[2]!);
      }
    }
    while (at < end) at = this.#token(text, at, end);
    // Splices mean nothing inside a raw string.
    if (this.#within === 'raw-string') this.#continued = false;
    // Literals other than raw strings and line comments end with their line: compilers only warn about a lone quote
    // in text that is not used, such as #error or a skipped group.
    if (!this.#continued && (this.#within === 'literal' || this.#within === 'line-comment'))
      this.#within = 'code';
  }

  #token(text: string, at: number, end: number): number {
    switch (this.#within) {
      case 'comment': {
        const close = text.indexOf('*/', at);
        if (close < 0) return end;
        this.#within = 'code';
        return close + 2;
      }
      case 'line-comment':
        return end;
      case 'raw-string': {
        const close = text.indexOf(this.#rawEnd, at);
        if (close < 0) return end;
        this.#within = 'code';
        return close + this.#rawEnd.length;
      }
      case 'literal':
        return this.#literal(text, at, end);
      case 'code':
        return this.#code(text, at, end);
    }
  }

  #literal(text: string, at: number, end: number): number {
    for (let i = at; i < end; i++) {
      if (text[i] === '\\') i++;
      else if (text[i] === this.#quote) {
        this.#within = 'code';
        return i + 1;
      }
    }
    return end;
  }

  #code(text: string, at: number, end: number): number {
    const char = text[at]!;
    if (char === '/' && text[at + 1] === '*') return this.#enter('comment', at + 2);
    if (char === '/' && text[at + 1] === '/') return this.#enter('line-comment', at + 2);
    const counts = !this.#directive && !this.#skipping();
    if (counts && /\S/.test(char)) this.afterWord = /[A-Za-z_$]/.test(char);
    if (char === '"' || char === "'") {
      this.#quote = char;
      return this.#enter('literal', at + 1);
    }
    if (char === '(' && counts) this.#depth++;
    if (char === ')' && counts) this.#depth = Math.max(0, this.#depth - 1);
    if (/[0-9]/.test(char)) {
      // A pp-number takes letters, dots and digit separators along (1'000'000).
      const number = /^(?:[0-9A-Za-z_.]|'[0-9A-Za-z_]|[eEpP][+-])+/.exec(text.slice(at, end));
      return at + (number?.[0].length ?? 1);
    }
    if (/[A-Za-z_$]/.test(char)) {
      const word = /^[\w$]+/.exec(text.slice(at, end))![0];
      const raw = /^(?:u8|[uUL])?R$/.test(word)
        ? /^"([^()\\\s]{0,16})\(/.exec(text.slice(at + word.length, end))
        : null;
      if (raw === null) return at + word.length;
      this.#rawEnd = `)${raw[1]}"`;
      return this.#enter('raw-string', at + word.length + raw[0].length);
    }
    return at + 1;
  }

  #enter(within: Within, at: number): number {
    this.#within = within;
    return at;
  }

  #skipping(): boolean {
    return this.#conditionals.some((conditional) => conditional.skipped);
  }

  /** Each branch of a conditional goes on from where the #if stood; what follows, from the deepest. */
  #conditional(name: string, condition: string): void {
    const top = this.#conditionals.at(-1);
    switch (name) {
      case 'if':
      case 'ifdef':
      case 'ifndef':
        this.#conditionals.push({
          depth: this.#depth,
          deepest: 0,
          skipped: name === 'if' && /^0\s*($|\/[*/])/.test(condition),
        });
        break;
      case 'elif':
      case 'elifdef':
      case 'elifndef':
      case 'else':
        if (top === undefined) break;
        if (!top.skipped) top.deepest = Math.max(top.deepest, this.#depth);
        top.skipped = false;
        this.#depth = top.depth;
        break;
      case 'endif':
        this.#conditionals.pop();
        if (top === undefined) break;
        this.#depth = top.skipped ? top.depth : Math.max(top.deepest, this.#depth);
        break;
      default:
    }
  }
}
