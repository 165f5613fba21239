/**
 * A case is a folder with a C or C++ program that stands for both versions of itself: a line that ends in `// before`
 * exists only before the fix, one that ends in `// after` only in the fixed source. `main.c` or `main.cpp` begins with
 * directives:
 *
 *     // about: one sentence, shown in the README's list of what is supported
 *     // flags: given to every compile and link
 *     // matrix: -O0 | -O2 -fno-pie -no-pie      one run of the case for each
 *                                             (the word clang chooses that compiler)
 *     // links: libraries, at the end of the link line
 *     // matrix by aarch64: -O2 -mcmodel=tiny   more runs, on that CPU alone
 *     // unfit by aarch64 -masm=intel: reason   runs with these words that say nothing: the CPU or its tools have no such thing
 *     // needs: a Debian package that the case cannot do without
 *     // before: 1 | 2                           what each call prints, calls separated by |
 *     // after: 2 | 4
 *     // reverted: 1 | 2                         left out: same as before
 *     // changed: f g                            functions of the patch that were there before
 *     // new: h                                  functions of the patch that were not
 *     // nothing                                 the fix changes no code: exit 3
 *     // refused: text                           `suture build` refuses with this text: exit 6
 *     // refused to apply: text                  `suture apply` refuses with this text: exit 4
 *     // warned: text                           a warning of the patch: of the build, and in the patch
 *     // option: --function f                    more words for `suture build`
 *     // scenario: file                          driven by that test beside main.c, not by the common one
 *
 * What a compiler makes of the same fix differs: `// changed by clang -O2: call` says what is expected of the runs whose
 * flags have both words. The last such directive that fits counts; one that says how the case ends (`nothing by clang`,
 * `refused by …`, `after by …`) takes the place of any other end.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface Case {
  readonly name: string;
  readonly about: string;
  readonly flags: readonly string[];
  readonly matrix: readonly (readonly string[])[];
  /** Further runs for the CPU alone. */
  readonly matrixOf: (cpu: string) => readonly (readonly string[])[];
  /** Why a run with these flags would say nothing, if so. */
  readonly unfit: (variant: readonly string[]) => string | undefined;
  readonly links: readonly string[];
  readonly needs: readonly string[];
  readonly options: readonly string[];
  /** What a warning of the patch says. */
  readonly warned: string | undefined;
  readonly scenario: string | undefined;
  /** What is expected of a run with these flags, those of the case included. */
  readonly expected: (variant: readonly string[]) => Expectation;
  /** File contents by path, before and after the fix. */
  readonly before: ReadonlyMap<string, string>;
  readonly after: ReadonlyMap<string, string>;
}

export type Expectation =
  | {
      readonly kind: 'patched';
      readonly before: readonly string[];
      readonly after: readonly string[];
      readonly reverted: readonly string[];
      readonly changed: readonly string[];
      readonly new: readonly string[];
      readonly refusedToApply: string | undefined;
    }
  | { readonly kind: 'nothing' }
  | { readonly kind: 'refused'; readonly text: string }
  | { readonly kind: 'scenario' };

const KEYS = [
  'about',
  'flags',
  'matrix',
  'unfit',
  'links',
  'needs',
  'before',
  'after',
  'reverted',
  'changed',
  'new',
  'nothing',
  'refused',
  'refused to apply',
  'warned',
  'option',
  'scenario',
] as const;
type Key = (typeof KEYS)[number];

/** All cases under `folder`, by name. Throws on a directive that does not exist, so that none is ever ignored. */
export function loadCases(folder: string): Case[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => loadCase(folder, entry.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

export function loadCase(folder: string, name: string): Case {
  const directory = join(folder, name);
  const sources = filesBelow(directory).filter((path) => !path.endsWith('.test.ts'));
  const files = sources.map((path) => [relative(directory, path), readFileSync(path, 'utf8')] as const);
  const main = files.find(([path]) => isMain(path));
  if (main === undefined) throw new Error(`${directory} has neither main.c nor main.cpp`);
  const directives = readDirectives(main[1], `${name}/${main[0]}`);
  const one = (key: Key): string | undefined =>
    directives.find((each) => each.key === key && each.by.length === 0)?.value;
  const words = (key: Key): string[] => wordsOf(one(key) ?? '');
  const about = one('about');
  if (about === undefined) throw new Error(`${name}/${main[0]} has no "// about:"`);
  return {
    name,
    about,
    flags: words('flags'),
    matrix: readMatrix(one('matrix') ?? ''),
    matrixOf: (cpu) =>
      directives
        .filter(({ key, by }) => key === 'matrix' && by.join(' ') === cpu)
        .flatMap(({ value }) => readMatrix(value)),
    unfit: (variant) =>
      directives.find(({ key, by }) => key === 'unfit' && by.every((flag) => variant.includes(flag)))?.value,
    links: words('links'),
    needs: words('needs'),
    options: words('option'),
    warned: one('warned'),
    scenario: one('scenario'),
    expected: (variant) => expectation(directives, [...words('flags'), ...variant], name),
    before: version(files, 'before'),
    after: version(files, 'after'),
  };
}

/** The sets of flags in a `matrix` directive. */
export function readMatrix(text: string): string[][] {
  return text.split('|').map(wordsOf);
}

const isMain = (path: string): boolean => path === 'main.c' || path === 'main.cpp';

interface Directive {
  readonly key: Key;
  /** The directive holds for runs that have all of these flags. */
  readonly by: readonly string[];
  readonly value: string;
}

/** Directives that say how a case ends. */
const ENDS: readonly Key[] = ['scenario', 'nothing', 'refused', 'after', 'refused to apply'];

function expectation(directives: readonly Directive[], flags: readonly string[], name: string): Expectation {
  const fits = directives.filter(({ by }) => by.every((flag) => flags.includes(flag)));
  const one = (key: Key): string | undefined => fits.findLast((each) => each.key === key)?.value;
  const ends = fits.filter(({ key }) => ENDS.includes(key));
  // Of those that hold for all runs the first counts, and before it the last of those for some.
  const end = ends.findLast(({ by }) => by.length > 0) ?? ends[0];
  if (end === undefined) throw new Error(`${name}/main.c says not what it expects`);
  switch (end.key) {
    case 'scenario':
    case 'nothing':
      return { kind: end.key };
    case 'refused':
      return { kind: 'refused', text: end.value };
  }
  const calls = (key: Key): string[] | undefined =>
    one(key)
      ?.split('|')
      .map((text) => text.trim());
  const before = calls('before');
  const refusedToApply = end.key === 'refused to apply' ? end.value : undefined;
  const after = calls('after') ?? (refusedToApply === undefined ? undefined : before);
  if (before === undefined || after === undefined) throw new Error(`${name}/main.c says not what it expects`);
  const names = (key: Key): string[] => wordsOf(one(key) ?? '').sort();
  return {
    kind: 'patched',
    before,
    after,
    reverted: calls('reverted') ?? before,
    changed: names('changed'),
    new: names('new'),
    refusedToApply,
  };
}

function readDirectives(text: string, where: string): Directive[] {
  const directives: Directive[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith('//')) break;
    const [, key = '', by = '', value = ''] = DIRECTIVE.exec(line) ?? [];
    if (!(KEYS as readonly string[]).includes(key)) throw new Error(`${where}: no such directive: ${line}`);
    directives.push({ key: key as Key, by: wordsOf(by), value: value.trim() });
  }
  return directives;
}

const DIRECTIVE = /^\/\/ ([a-z ]+?)(?: by ([^:]*))?(?::(?:\s+(.*))?)?$/;
const wordsOf = (text: string): string[] => text.split(/\s+/).filter(Boolean);

/** A file all of whose lines belong to the other version does not exist in this one. */
function version(
  files: readonly (readonly [string, string])[],
  which: 'before' | 'after',
): Map<string, string> {
  const dropped = which === 'before' ? 'after' : 'before';
  const result = new Map<string, string>();
  for (const [path, text] of files) {
    const lines = text
      .split('\n')
      .filter((line) => !(isMain(path) && DIRECTIVE.test(line)))
      .filter((line) => !line.endsWith(`// ${dropped}`))
      .map((line) => (line.endsWith(`// ${which}`) ? line.slice(0, -`// ${which}`.length).trimEnd() : line));
    if (lines.some((line) => line !== '')) result.set(path, lines.join('\n'));
  }
  return result;
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder)
    .flatMap((name) => {
      const path = join(folder, name);
      return statSync(path).isDirectory() ? filesBelow(path) : [path];
    })
    .sort();
}
