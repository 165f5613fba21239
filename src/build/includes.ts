/**
 * A quick look at which units may read a file: follows `#include` lines textually, through every folder in which the
 * compiler might look, whatever conditions say. It may name a unit too many, never one too few.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import type { Unit } from './project.ts';

interface Includes {
  readonly names: readonly string[];
  /** It includes something named by a macro. */
  readonly computed: boolean;
}

const DIRECTIVE =
  /^[ \t]*(?:#|%:|\?\?=)[ \t]*(?:include|include_next|import|embed)\b[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>|(\S))/gm;

export class IncludeScan {
  readonly #wanted: ReadonlySet<string>;
  readonly #wantedNames: ReadonlySet<string>;
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
  }

  /** Whether the unit may read one of the files, as part of its source or of what that includes. */
  mayRead(unit: Unit): boolean {
    const absolute = (folder: string): string => path.resolve(unit.directory, folder);
    const folders = [...unit.command.include.quote, ...unit.command.include.angle].map(absolute);
    const key = JSON.stringify(folders);
    const answers = this.#answers.get(key) ?? new Map<string, boolean>();
    this.#answers.set(key, answers);
    const forced = unit.command.include.forced.flatMap((name) => this.#places(name, unit.directory, folders));
    return [unit.source, ...forced].some((file) => this.#reaches(file, folders, answers));
  }

  /** Depth first without recursion: include chains of generated headers can be long. */
  #reaches(start: string, folders: readonly string[], answers: Map<string, boolean>): boolean {
    const first = this.#real(start);
    if (first === undefined) return false;
    const known = answers.get(first);
    if (known !== undefined) return known;
    const seen = new Set([first]);
    const open = [first];
    let found = false;
    for (let file = open.pop(); file !== undefined && !found; file = open.pop()) {
      const { names, computed } = this.#includesOf(file);
      found = computed || this.#wanted.has(file) || answers.get(file) === true;
      for (const name of names) {
        if (this.#wantedNames.has(path.basename(name))) found = true;
        for (const place of this.#places(name, path.dirname(file), folders)) {
          if (seen.has(place) || answers.get(place) === false) continue;
          seen.add(place);
          open.push(place);
        }
      }
    }
    if (found) answers.set(first, true);
    else for (const file of seen) answers.set(file, false);
    return found;
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
      includes = readIncludes(file);
      this.#includes.set(file, includes);
    }
    return includes;
  }
}

function readIncludes(file: string): Includes {
  let text: string;
  try {
    text = fs.readFileSync(file, 'latin1');
  } catch {
    return { names: [], computed: false };
  }
  const names: string[] = [];
  let computed = false;
  for (const [, quoted, angled, other] of text.replace(/\\\r?\n/g, '').matchAll(DIRECTIVE)) {
    if (other !== undefined) computed = true;
    else names.push(quoted ?? angled ?? '');
  }
  return { names: names.map((name) => Buffer.from(name, 'latin1').toString('utf8')), computed };
}
