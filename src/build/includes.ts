/**
 * A quick look at which units may read a file: follows `#include` lines textually, through every folder in which the
 * compiler might look, whatever conditions say. It may name a unit too many. It names none too few, unless a macro puts a
 * file name together of pieces that occur nowhere as a whole.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Unit } from './project.ts';

interface Includes {
  readonly names: readonly string[];
  /** It includes something named by a macro. */
  readonly computed: boolean;
  /** The name of a file looked for occurs in it. */
  readonly mentions: boolean;
  /** It includes something of the name of a file that does not exist yet. */
  readonly appearing: boolean;
}

/** Names of these are often put together by macros. */
const HEADER = /\.(h|hh|hpp|hxx|inc|inl|def|tbl|x)$/i;

const DIRECTIVE =
  /^[ \t]*(?:#|%:|\?\?=)[ \t]*(?:include|include_next|import|embed)\b[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|(\S))/;

/** A macro may hold the name of a file that is included by it. */
const DEFINITION = /^[ \t]*(?:#|%:|\?\?=)[ \t]*define\b.*["<][^">\n]+\.\w+[">].*/;

function definedNames(text: string): string[] {
  if (!text.includes('"') && !text.includes('<')) return [];
  return [...text.matchAll(/["<]([^"<>\n]+\.\w+)[">]/g)].map((match) => match[1]!);
}

/** A comment may speak of any file; literals are passed over because they may hold what looks like a comment. */
const withoutComments = (text: string): string =>
  text.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (part) =>
    part.startsWith('/') ? ' ' : part,
  );

/**
 * Lines of a source that may be directives which matter here, continued ones joined. Sources are megabytes and such
 * lines few: they are found by their mark.
 */
function* directiveLines(text: string): Generator<string> {
  // Other spellings of the mark, whole or with a line's end inside (C11, 5.1.1.2 and 6.4.6).
  if (/%:|\?\?=|[%?]\\\r?\n/.test(text)) {
    yield* text.replace(/\\\r?\n/g, '').split('\n');
    return;
  }
  for (let mark = text.indexOf('#'); mark >= 0; mark = text.indexOf('#', mark + 1)) {
    let first = mark + 1;
    while (isBlank(text.charCodeAt(first))) first++;
    if (!FIRST_LETTERS.has(text.charCodeAt(first))) continue;
    let before = mark - 1;
    while (isBlank(text.charCodeAt(before))) before--;
    if (before >= 0 && text.charCodeAt(before) !== NEWLINE) continue;
    yield joinedLine(text, mark);
  }
}

/** The line from `start` on, with those that continue it. */
function joinedLine(text: string, start: number): string {
  let line = '';
  for (let from = start; ; ) {
    const newline = text.indexOf('\n', from);
    const end = newline < 0 ? text.length : newline;
    const last = end - 1 - (text[end - 1] === '\r' ? 1 : 0);
    if (newline < 0 || text[last] !== '\\') return line + text.slice(from, end);
    line += text.slice(from, last);
    from = end + 1;
  }
}

const NEWLINE = 0x0a;
const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;
/** Of include, import, embed and define; a backslash may continue the line. */
const FIRST_LETTERS: ReadonlySet<number> = new Set([...'ied\\'].map((letter) => letter.charCodeAt(0)));

/** How a macro might spell the file: of headers the stem, of others the whole name as the end of a path or argument. */
function spelling(file: string): Spelling {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const name = path.basename(file);
  if (!HEADER.test(name)) return { part: name, whole: new RegExp(`["</(]${escaped(name)}[">)]`) };
  const stem = name.replace(HEADER, '');
  return { part: stem, whole: new RegExp(escaped(stem)) };
}

interface Spelling {
  /** Occurs in whatever `whole` matches, and is found faster. */
  readonly part: string;
  readonly whole: RegExp;
}

/** At most this is true of a file and of what it includes. */
interface Quiet {
  readonly computed: boolean;
  readonly mentions: boolean;
}

/** What is known of files as units see them that search the same folders. */
interface Search {
  readonly folders: readonly string[];
  /** Files from which a file looked for is reached. */
  readonly reaching: Set<string>;
  /** Files from which none is. */
  readonly quiet: Map<string, Quiet>;
  /** Real paths of what a file may include. */
  readonly included: Map<string, readonly string[]>;
  /** Real paths that a name has in the folders. */
  readonly places: Map<string, readonly string[]>;
  /** Those of the folders that have a file or folder of this name, or may have. */
  readonly holding: Map<string, readonly string[]>;
}

export class IncludeScan {
  readonly #wanted: ReadonlySet<string>;
  readonly #wantedNames: ReadonlySet<string>;
  /** What a macro that names one of the files would have to spell somewhere. */
  readonly #spellings: readonly Spelling[];
  readonly #includes = new Map<string, Includes>();
  readonly #realPaths = new Map<string, string | undefined>();
  readonly #listings = new Map<string, Listing | undefined>();
  /** By folders searched. */
  readonly #searches = new Map<string, Search>();

  /**
   * @param wanted absolute real paths of the files looked for
   * @param appearing absolute paths of files that do not exist yet: including anything of that name counts
   */
  constructor(wanted: Iterable<string>, appearing: Iterable<string>) {
    this.#wanted = new Set(wanted);
    this.#wantedNames = new Set([...appearing].map((file) => path.basename(file)));
    this.#spellings = [...this.#wanted, ...this.#wantedNames].map(spelling);
  }

  /** Whether the unit may read one of the files, as part of its source or of what that includes. */
  mayRead(unit: Unit): boolean {
    const absolute = (folder: string): string => path.resolve(unit.directory, folder);
    const folders = [...unit.command.include.quote, ...unit.command.include.angle].map(absolute);
    const key = JSON.stringify(folders);
    const search = this.#searches.get(key) ?? {
      folders,
      reaching: new Set(),
      quiet: new Map(),
      included: new Map(),
      places: new Map(),
      holding: new Map(),
    };
    this.#searches.set(key, search);
    const forced = unit.command.include.forced.flatMap((name) => this.#places(name, unit.directory, search));
    const defined = unit.command.options
      .flatMap(definedNames)
      .flatMap((name) => this.#places(name, unit.directory, search));
    const told = unit.command.options.some((option) => this.#spells(option));
    return [unit.source, ...forced, ...defined].some((file) => this.#reaches(file, search, told));
  }

  #spells(text: string): boolean {
    return this.#spellings.some(({ part, whole }) => text.includes(part) && whole.test(text));
  }

  #reaches(start: string, search: Search, told: boolean): boolean {
    const first = this.#real(start);
    if (first === undefined) return false;
    const found = this.#walk(first, search, told, true) ?? this.#walk(first, search, told, false);
    if (found === true) search.reaching.add(first);
    return found === true;
  }

  /**
   * Walks without recursion: include chains of generated headers can be long. `shortly`: passing over what earlier walks
   * found quiet; undefined if that leaves the answer open.
   */
  #walk(first: string, search: Search, told: boolean, shortly: boolean): boolean | undefined {
    const { reaching, quiet } = search;
    const seen = new Set([first]);
    const open = [first];
    let computed = false;
    let mentions = false;
    // A file that includes by macro, and another one that names what is looked for, count together.
    const isHit = (): boolean => computed && (mentions || told);
    let isExact = true;
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (this.#wanted.has(file) || reaching.has(file)) return true;
      const includes = this.#includesOf(file);
      computed ||= includes.computed;
      mentions ||= includes.mentions;
      if (includes.appearing) return true;
      for (const place of this.#includedBy(file, includes, search)) {
        if (seen.has(place)) continue;
        seen.add(place);
        const known = shortly ? quiet.get(place) : undefined;
        if (known === undefined) {
          open.push(place);
          continue;
        }
        isExact &&= (computed || !known.computed) && (mentions || !known.mentions);
        computed ||= known.computed;
        mentions ||= known.mentions;
      }
      if (isHit()) return isExact ? true : undefined;
    }
    const facts: Quiet = { computed, mentions };
    for (const file of seen) if (!quiet.has(file)) quiet.set(file, facts);
    return false;
  }

  #includedBy(file: string, { names }: Includes, search: Search): readonly string[] {
    const known = search.included.get(file);
    if (known !== undefined) return known;
    const beside = path.dirname(file);
    const places = new Set<string>();
    for (const name of names) for (const place of this.#places(name, beside, search)) places.add(place);
    const all = [...places];
    search.included.set(file, all);
    return all;
  }

  #places(name: string, beside: string, search: Search): readonly string[] {
    if (name.startsWith('/')) return this.#placesIn([''], name);
    let found = search.places.get(name);
    if (found === undefined) {
      found = this.#placesIn(this.#holding(name, search), name);
      search.places.set(name, found);
    }
    const own = this.#placeIn(beside, name);
    return own === undefined ? found : [own, ...found];
  }

  /** The folders of the search in which the first part of a name is: for most names one or none of many. */
  #holding(name: string, { folders, holding }: Search): readonly string[] {
    const slash = name.indexOf('/');
    const first = slash < 0 ? name : name.slice(0, slash);
    if (first === '.' || first === '..') return folders;
    let found = holding.get(first);
    if (found === undefined) {
      found = folders.filter((folder) => this.#namesIn(folder)?.has(first) !== false);
      holding.set(first, found);
    }
    return found;
  }

  #placesIn(folders: readonly string[], name: string): string[] {
    return folders.flatMap((folder) => this.#placeIn(folder, name) ?? []);
  }

  #placeIn(folder: string, name: string): string | undefined {
    const slash = name.lastIndexOf('/');
    // Most folders lack most names: a listing answers that for all names without asking the system.
    const [holder, last] =
      slash < 0 ? [folder, name] : [`${folder}/${name.slice(0, slash)}`, name.slice(slash + 1)];
    const names = this.#namesIn(holder);
    const isPlain = names?.get(last);
    if (names !== undefined && isPlain === undefined) return undefined;
    if (isPlain !== true) return this.#real(`${folder}/${name}`);
    const real = this.#real(holder === '' ? '/' : holder);
    return real === undefined ? undefined : `${real === '/' ? '' : real}/${last}`;
  }

  /** The names in a folder, none if there is no such folder; undefined if it cannot be listed. */
  #namesIn(folder: string): Listing | undefined {
    if (this.#listings.has(folder)) return this.#listings.get(folder);
    const names = this.#isAbsent(folder) ? NO_NAMES : listing(folder);
    this.#listings.set(folder, names);
    return names;
  }

  /** Whether the folder above is known to have no such entry: most of what is asked for is nowhere. */
  #isAbsent(folder: string): boolean {
    const slash = folder.lastIndexOf('/');
    const last = folder.slice(slash + 1);
    if (slash < 0 || last === '' || last === '.' || last === '..') return false;
    return this.#namesIn(folder.slice(0, slash))?.has(last) === false;
  }

  #real(file: string): string | undefined {
    if (this.#realPaths.has(file)) return this.#realPaths.get(file);
    let real: string | undefined;
    try {
      real = fs.realpathSync.native(file);
    } catch {
      real = undefined;
    }
    this.#realPaths.set(file, real);
    return real;
  }

  #includesOf(file: string): Includes {
    let includes = this.#includes.get(file);
    if (includes === undefined) {
      includes = this.#read(file);
      this.#includes.set(file, includes);
    }
    return includes;
  }

  #read(file: string): Includes {
    let text: string;
    try {
      text = textOf(file);
    } catch {
      return { names: [], computed: false, mentions: false, appearing: false };
    }
    const names: string[] = [];
    let computed = false;
    for (const line of directiveLines(text)) {
      const directive = DIRECTIVE.exec(line);
      if (directive === null) {
        if (DEFINITION.test(line)) names.push(...definedNames(line));
        continue;
      }
      const [, quoted, angled, other] = directive;
      if (other !== undefined) computed = true;
      else names.push(Buffer.from(quoted ?? angled ?? '', 'latin1').toString('utf8'));
    }
    const appearing = names.some((name) => this.#wantedNames.has(path.basename(name)));
    return {
      names,
      computed,
      mentions: this.#spells(text) && this.#spells(withoutComments(text)),
      appearing,
    };
  }
}

/** Room for nearly every source; thousands of files are read, each for a moment. */
const room = Buffer.allocUnsafeSlow(1 << 20);

/** The text of a file, one character a byte. Throws what reading it throws. */
function textOf(file: string): string {
  const descriptor = fs.openSync(file, 'r');
  try {
    const size = fs.readSync(descriptor, room, 0, room.length, 0);
    if (size < room.length) return room.toString('latin1', 0, size);
  } finally {
    fs.closeSync(descriptor);
  }
  return fs.readFileSync(file, 'latin1');
}

/** The names in a folder; true for files that are no links, whose real path is the folder's with the name. */
type Listing = ReadonlyMap<string, boolean>;
const NO_NAMES: Listing = new Map();

function listing(folder: string): Listing | undefined {
  try {
    const entries = fs.readdirSync(folder === '' ? '/' : folder, { withFileTypes: true });
    return new Map(entries.map((entry) => [entry.name, entry.isFile()]));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' || code === 'ENOTDIR' ? NO_NAMES : undefined;
  }
}
