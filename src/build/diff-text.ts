/**
 * Cuts the text of a diff into its files. The text may be what `diff -u`, git, quilt, svn or a mail with a patch in it
 * holds: everything that is not a header or a hunk is passed over. GNU diffutils manual, "Unified Format";
 * git-diff(1), "Generating patch text with -p".
 */
import { parsePatch, type StructuredPatchHunk } from 'diff';
import { SutureError } from '../base/errors.ts';

/** What a diff does to one file. Names are as in the diff, prefixes and all; undefined: no file on that side. */
export interface FileDiff {
  readonly oldName: string | undefined;
  readonly newName: string | undefined;
  readonly hunks: readonly StructuredPatchHunk[];
  /** Line of the diff on which each hunk begins, from 1. */
  readonly hunkLines: readonly number[];
  readonly binary: boolean;
}

interface OpenFile {
  oldName: string | undefined;
  newName: string | undefined;
  hunks: StructuredPatchHunk[];
  hunkLines: number[];
  binary: boolean;
  /** Names stand fast once ---/+++ or rename lines were seen. */
  named: boolean;
}

/**
 * @param text the diff, one character per byte (latin1), so that sources in any encoding survive
 * @param name of the diff, for messages
 * @throws SutureError DIFF for a damaged hunk, or if there is no hunk nor rename at all
 */
export function parseDiff(text: string, name: string): FileDiff[] {
  const lines = text.split('\n');
  const files: OpenFile[] = [];
  let file: OpenFile | undefined;
  const open = (oldName: string | undefined, newName: string | undefined, named: boolean): OpenFile => {
    const opened = { oldName, newName, hunks: [], hunkLines: [], binary: false, named };
    files.push(opened);
    return opened;
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!.replace(/\r$/, '');
    if (line.startsWith('diff --git ')) {
      const names = gitNames(line.slice(11));
      file = open(names?.[0], names?.[1], false);
    } else if (line.startsWith('--- ') && /^\+\+\+ /.test(lines[i + 1] ?? '')) {
      if (file === undefined || file.hunks.length > 0 || file.named) file = open(undefined, undefined, true);
      file.oldName = headerName(line.slice(4));
      file.newName = headerName(lines[++i]!.slice(4).replace(/\r$/, ''));
      file.named = true;
    } else if (/^@@ -\d+(,\d+)? \+\d+(,\d+)? @@/.test(line)) {
      if (file === undefined || !file.named) throw broken(name, i, 'a hunk before any "---" and "+++" lines');
      const length = hunkLength(lines, i, name);
      file.hunks.push(parseHunk(lines.slice(i, i + length), name, i));
      file.hunkLines.push(i + 1);
      i += length - 1;
    } else if (file !== undefined && file.hunks.length === 0) extendedHeader(file, line);
  }
  const found = files.filter((each) => each.hunks.length > 0 || each.binary || each.oldName !== each.newName);
  if (found.length === 0) {
    throw new SutureError('DIFF', `${name} holds no unified diff`, {
      remedy: 'give the output of `diff -u` or `git diff`',
    });
  }
  return found.map(({ named: _, ...rest }) => rest);
}

/** The lines between "diff --git" and the first hunk. */
function extendedHeader(file: OpenFile, line: string): void {
  if (line.startsWith('new file mode ')) file.oldName = undefined;
  else if (line.startsWith('deleted file mode ')) file.newName = undefined;
  else if (line.startsWith('rename from ') || line.startsWith('copy from '))
    file.oldName = `a/${unquote(line.slice(line.indexOf('from ') + 5))}`;
  else if (line.startsWith('rename to ') || line.startsWith('copy to '))
    file.newName = `b/${unquote(line.slice(line.indexOf('to ') + 3))}`;
  else if (/^Binary files .* differ$/.test(line) || line === 'GIT binary patch') file.binary = true;
}

/** Names after "diff --git": both are the same but for the prefix, unless a rename line follows. */
function gitNames(rest: string): [string, string] | undefined {
  const quoted = /^("(?:[^"\\]|\\.)*"|\S+) ("(?:[^"\\]|\\.)*"|\S+)$/.exec(rest);
  if (quoted !== null) return [unquote(quoted[1]!), unquote(quoted[2]!)];
  const half = (rest.length - 1) / 2;
  return Number.isInteger(half) ? [rest.slice(0, half), rest.slice(half + 1)] : undefined;
}

/** Name in a "---" or "+++" line: up to a tab; undefined for /dev/null or a time stamp of 1970 (no such file). */
function headerName(rest: string): string | undefined {
  const tab = rest.indexOf('\t');
  const name = unquote((tab < 0 ? rest : rest.slice(0, tab)).trim());
  const stamp = tab < 0 ? '' : rest.slice(tab + 1);
  return name === '/dev/null' || /^(1970-01-01|1969-12-31) /.test(stamp) ? undefined : name;
}

/** git-config(1), core.quotePath: names with unusual bytes stand in double quotes with C escapes. */
function unquote(name: string): string {
  if (!/^".*"$/.test(name)) return decode(name);
  const escapes: Readonly<Record<string, string>> = {
    a: '\x07',
    b: '\b',
    f: '\f',
    n: '\n',
    r: '\r',
    t: '\t',
    v: '\v',
  };
  return decode(
    name
      .slice(1, -1)
      .replace(/\\([0-7]{3}|.)/g, (_, code: string) =>
        code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8)) : (escapes[code] ?? code),
      ),
  );
}

/** File names are UTF-8 while the diff is read one character per byte. */
function decode(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

/** Lines of the hunk that begins at `start`, its header and "\ No newline" marks included. */
function hunkLength(lines: readonly string[], start: number, name: string): number {
  const counts = /^@@ -\d+(?:,(\d+))? \+\d+(?:,(\d+))? @@/.exec(lines[start]!)!;
  let old = Number(counts[1] ?? 1);
  let added = Number(counts[2] ?? 1);
  let at = start + 1;
  while (old > 0 || added > 0) {
    const line = lines[at];
    if (line === undefined || (line === '' && at === lines.length - 1))
      throw broken(name, start, 'a hunk that ends too early');
    const sign = line === '' || line === '\r' ? ' ' : line[0];
    if (sign === ' ' || sign === '-') old--;
    if (sign === ' ' || sign === '+') added--;
    if (sign !== ' ' && sign !== '-' && sign !== '+' && sign !== '\\')
      throw broken(name, at, 'a line that is not part of a hunk');
    at++;
  }
  if (old < 0 || added < 0) throw broken(name, start, 'a hunk whose header counts its lines wrongly');
  while (lines[at]?.startsWith('\\')) at++;
  return at - start;
}

function parseHunk(lines: readonly string[], name: string, at: number): StructuredPatchHunk {
  try {
    const hunk = parsePatch(['--- a', '+++ b', ...lines].join('\n'))[0]?.hunks[0];
    if (hunk !== undefined) return hunk;
  } catch (error) {
    throw broken(name, at, `a hunk that cannot be read (${(error as Error).message})`);
  }
  throw broken(name, at, 'a hunk that cannot be read');
}

function broken(name: string, line: number, what: string): SutureError {
  return new SutureError('DIFF', `${name}: line ${line + 1}: ${what}`, {
    remedy: 'fetch the diff again; a mail program or a web page may have changed it',
  });
}
