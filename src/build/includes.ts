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

/** How a macro might spell the file: of headers the stem, of others the whole name as the end of a path or argument. */
function spelling(file: string): string {
  const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const name = path.basename(file);
  return HEADER.test(name) ? escaped(name.replace(HEADER, '')) : `["</(]${escaped(name)}[">)]`;
}

export class IncludeScan {
  readonly #wanted: ReadonlySet<string>;
  readonly #wantedNames: ReadonlySet<string>;
  /** What a macro that names one of the files would have to spell somewhere. */
  readonly #spelling: RegExp;
  readonly #includes = new Map<string, Includes>();
  readonly #realPaths = new Map<string, string | undefined>();
  /** Answers by folders searched, then by file. */
  readonly #answers = new Map<string, Map<string, boolean>>();

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
    const answers = this.#answers.get(key) ?? new Map<string, boolean>();
    this.#answers.set(key, answers);
    const forced = unit.command.include.forced.flatMap((name) => this.#places(name, unit.directory, folders));
    const defined = unit.command.options
      .flatMap(definedNames)
      .flatMap((name) => this.#places(name, unit.directory, folders));
    const told = unit.command.options.some((option) => this.#spells(option));
    return [unit.source, ...forced, ...defined].some((file) => this.#reaches(file, folders, answers, told));
  }

  #spells(text: string): boolean {
    return this.#spelling.test(text);
  }

  /** Walks without recursion: include chains of generated headers can be long. */
  #reaches(start: string, folders: readonly string[], answers: Map<string, boolean>, told: boolean): boolean {
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
      if (computed && mentioned) return this.#answer(answers, first);
      for (const name of includes.names) {
        if (this.#wantedNames.has(path.basename(name))) return this.#answer(answers, first);
        for (const place of this.#places(name, path.dirname(file), folders)) {
          if (seen.has(place) || answers.get(place) === false) continue;
          seen.add(place);
          open.push(place);
        }
      }
    }
    // A file that includes by macro, or that names what is looked for, may count together with another one.
    if (!computed && !mentioned) for (const file of seen) answers.set(file, false);
    return false;
  }

  #answer(answers: Map<string, boolean>, file: string): true {
    answers.set(file, true);
    return true;
  }

  #places(name: string, beside: string, folders: readonly string[]): string[] {
    const places = [beside, ...folders].map((folder) => this.#real(path.resolve(folder, name)));
    return places.filter((place) => place !== undefined);
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
      return { names: [], computed: false, mentions: false };
    }
    const names: string[] = [];
    let computed = false;
    for (const [, quoted, angled, other] of text.replace(/\\\r?\n/g, '').matchAll(DIRECTIVE)) {
      if (other !== undefined) computed = true;
      else names.push(Buffer.from(quoted ?? angled ?? '', 'latin1').toString('utf8'));
    }
    for (const [line] of text.matchAll(DEFINITION)) names.push(...definedNames(line));
    return { names, computed, mentions: this.#spells(text) };
  }
}
