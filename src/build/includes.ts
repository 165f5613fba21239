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
  /^[ \t]*(?:#|%:|\?\?=)[ \t]*(?:include|include_next|import|embed)\b[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|(\S))/gm;

/** A macro may hold the name of a file that is included by it. */
const DEFINITION = /^[ \t]*(?:#|%:)[ \t]*define\b.*["<][^">\n]+\.\w+[">].*/gm;

function definedNames(text: string): string[] {
  return [...text.matchAll(/["<]([^"<>\n]+\.\w+)[">]/g)].map((match) => match[1]!);
}

/** A comment may speak of any file; literals are passed over because they may hold what looks like a comment. */
const withoutComments = (text: string): string =>
  text.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (part) =>
    part.startsWith('/') ? ' ' : part,
  );

/** How a macro might spell the file: of headers the stem, of others the whole name as the end of a path or argument. */
function spelling(file: string): string {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const name = path.basename(file);
  return HEADER.test(name) ? escaped(name.replace(HEADER, '')) : `["</(]${escaped(name)}[">)]`;
}

/** What is known of files as units see them that search the same folders. */
interface Search {
  readonly folders: readonly string[];
  readonly answers: Map<string, boolean>;
  /** Real paths of what a file may include. */
  readonly included: Map<string, readonly string[]>;
}

export class IncludeScan {
  readonly #wanted: ReadonlySet<string>;
  readonly #wantedNames: ReadonlySet<string>;
  /** What a macro that names one of the files would have to spell somewhere. */
  readonly #spelling: RegExp;
  readonly #includes = new Map<string, Includes>();
  readonly #realPaths = new Map<string, string | undefined>();
  /** Names in folders; none in those that cannot be read. */
  readonly #listings = new Map<string, ReadonlySet<string>>();
  /** By folders searched. */
  readonly #searches = new Map<string, Search>();

  /**
   * @param wanted absolute real paths of the files looked for
   * @param appearing absolute paths of files that do not exist yet: including anything of that name counts
   */
  constructor(wanted: Iterable<string>, appearing: Iterable<string>) {
    this.#wanted = new Set(wanted);
    this.#wantedNames = new Set([...appearing].map((file) => path.basename(file)));
    this.#spelling = new RegExp([...this.#wanted, ...this.#wantedNames].map(spelling).join('|') || '(?!)');
  }

  /** Whether the unit may read one of the files, as part of its source or of what that includes. */
  mayRead(unit: Unit): boolean {
    const absolute = (folder: string): string => path.resolve(unit.directory, folder);
    const folders = [...unit.command.include.quote, ...unit.command.include.angle].map(absolute);
    const key = JSON.stringify(folders);
    const search = this.#searches.get(key) ?? { folders, answers: new Map(), included: new Map() };
    this.#searches.set(key, search);
    const forced = unit.command.include.forced.flatMap((name) => this.#places(name, unit.directory, folders));
    const defined = unit.command.options
      .flatMap(definedNames)
      .flatMap((name) => this.#places(name, unit.directory, folders));
    const told = unit.command.options.some((option) => this.#spells(option));
    return [unit.source, ...forced, ...defined].some((file) => this.#reaches(file, search, told));
  }

  #spells(text: string): boolean {
    return this.#spelling.test(text);
  }

  /** Walks without recursion: include chains of generated headers can be long. */
  #reaches(start: string, search: Search, told: boolean): boolean {
    const { answers } = search;
    const first = this.#real(start);
    if (first === undefined) return false;
    const seen = new Set([first]);
    const open = [first];
    let computed = false;
    let mentioned = told;
    for (let file = open.pop(); file !== undefined; file = open.pop()) {
      if (this.#wanted.has(file) || answers.get(file) === true) return this.#answer(answers, first);
      const includes = this.#includesOf(file);
      computed ||= includes.computed;
      mentioned ||= includes.mentions;
      if ((computed && mentioned) || includes.appearing) return this.#answer(answers, first);
      for (const place of this.#includedBy(file, includes, search)) {
        if (seen.has(place) || answers.get(place) === false) continue;
        seen.add(place);
        open.push(place);
      }
    }
    // A file that includes by macro, or that names what is looked for, may count together with another one.
    if (!computed && !mentioned) for (const file of seen) answers.set(file, false);
    return false;
  }

  #includedBy(file: string, { names }: Includes, { folders, included }: Search): readonly string[] {
    const known = included.get(file);
    if (known !== undefined) return known;
    const beside = path.dirname(file);
    const places = [...new Set(names.flatMap((name) => this.#places(name, beside, folders)))];
    included.set(file, places);
    return places;
  }

  #answer(answers: Map<string, boolean>, file: string): true {
    answers.set(file, true);
    return true;
  }

  #places(name: string, beside: string, folders: readonly string[]): string[] {
    const slash = name.lastIndexOf('/');
    const last = name.slice(slash + 1);
    const found: string[] = [];
    for (const folder of name.startsWith('/') ? [''] : [beside, ...folders]) {
      const file = `${folder}/${name}`;
      // Most folders lack most names: a listing answers that for all names without asking the system.
      if (!this.#namesIn(slash < 0 ? folder : file.slice(0, -last.length - 1)).has(last)) continue;
      const real = this.#real(file);
      if (real !== undefined) found.push(real);
    }
    return found;
  }

  #namesIn(folder: string): ReadonlySet<string> {
    let names = this.#listings.get(folder);
    if (names === undefined) {
      try {
        names = new Set(fs.readdirSync(folder === '' ? '/' : folder));
      } catch {
        names = new Set();
      }
      this.#listings.set(folder, names);
    }
    return names;
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
      text = fs.readFileSync(file, 'latin1');
    } catch {
      return { names: [], computed: false, mentions: false, appearing: false };
    }
    const names: string[] = [];
    let computed = false;
    for (const [, quoted, angled, other] of text.replace(/\\\r?\n/g, '').matchAll(DIRECTIVE)) {
      if (other !== undefined) computed = true;
      else names.push(Buffer.from(quoted ?? angled ?? '', 'latin1').toString('utf8'));
    }
    for (const [line] of text.matchAll(DEFINITION)) names.push(...definedNames(line));
    const appearing = names.some((name) => this.#wantedNames.has(path.basename(name)));
    return {
      names,
      computed,
      mentions: this.#spells(text) && this.#spells(withoutComments(text)),
      appearing,
    };
  }
}
