/**
 * Reads the command line of a compiler driver: what it compiles, with which options, where the result goes, and what
 * it links. Nothing here touches the file system; response files are expanded before (response-file.ts).
 */
import {
  DEPENDENCY_OPTIONS,
  DRIVER_SEPARATE,
  LINK_ONLY,
  linkerTakesNext,
  writesSideFiles,
} from './arguments.ts';
import { type Language, languageOfFile, languageOfOption } from './language.ts';

/** How far the driver goes. `inspect`: it compiles nothing (-E, -M, --version, …). */
export type Stage = 'inspect' | 'assembly' | 'object' | 'link';

export interface SourceArgument {
  /** As given, relative to the command's folder. */
  readonly path: string;
  readonly language: Language;
  /** The value of `-x` in force, if any. */
  readonly option: string | undefined;
}

/** Something handed to the linker, in order. */
export type LinkArgument =
  | { readonly kind: 'file'; readonly path: string }
  /** -lNAME; a name that begins with a colon is a file name, looked for in the same folders. */
  | { readonly kind: 'library'; readonly name: string }
  | { readonly kind: 'source'; readonly path: string };

export interface CompilerCommand {
  readonly driver: string;
  readonly stage: Stage;
  /** Everything that shapes the code: no inputs, outputs, dependency files, nor options for the linker alone. */
  readonly options: readonly string[];
  readonly sources: readonly SourceArgument[];
  /** Value of -o, as given. */
  readonly output: string | undefined;
  /** Where the driver writes make rules for the headers read, as given (-MF), or undefined. */
  readonly dependencyFile: string | undefined;
  readonly link: LinkFacts;
  readonly include: IncludePath;
  readonly lto: boolean;
}

export interface LinkFacts {
  readonly inputs: readonly LinkArgument[];
  readonly searchFolders: readonly string[];
  /** Output is an object again (-r), a library (-shared) or an executable. */
  readonly kind: 'relocatable' | 'library' | 'executable';
}

/** Folders in which `#include` looks, as given, in order. */
export interface IncludePath {
  readonly quote: readonly string[];
  readonly angle: readonly string[];
  /** Files of -include and -imacros. */
  readonly forced: readonly string[];
}

const INSPECT = new Set([
  '-E',
  '-M',
  '-MM',
  '-fsyntax-only',
  '--version',
  '-dumpversion',
  '-dumpmachine',
  '-###',
  '--help',
  '-fdirectives-only',
]);

export function parseCompilerCommand(argv: readonly string[]): CompilerCommand {
  const reader = new CommandReader();
  for (let i = 1; i < argv.length; i++) i += reader.take(argv[i]!, argv[i + 1]);
  return reader.finish(argv[0] ?? '');
}

class CommandReader {
  #stage: Stage = 'link';
  #language: string | undefined;
  #output: string | undefined;
  #dependencyFile: string | undefined;
  #kind: LinkFacts['kind'] = 'executable';
  #lto = false;
  #fatObjects = false;
  readonly #options: string[] = [];
  readonly #sources: SourceArgument[] = [];
  readonly #linker = new LinkerInputs();
  readonly #quote: string[] = [];
  readonly #angle: string[] = [];
  readonly #forced: string[] = [];

  /** Takes one argument; returns how many of the following ones belong to it. */
  take(argument: string, next: string | undefined): 0 | 1 {
    if (argument === '-' || !argument.startsWith('-')) return this.#input(argument);
    if (INSPECT.has(argument)) this.#stage = 'inspect';
    if (argument === '-S') return this.#atMost('assembly');
    if (argument === '-c') return this.#atMost('object');
    const dependency = DEPENDENCY_OPTIONS.get(argument);
    if (dependency !== undefined) {
      if (argument === '-MF') this.#dependencyFile = next;
      return dependency ? 1 : 0;
    }
    if (/^-M[FTQJ]./.test(argument)) {
      if (argument.startsWith('-MF')) this.#dependencyFile = argument.slice(3);
      return 0;
    }
    if (argument.startsWith('-Wp,')) return this.#preprocessorList(argument);
    if (argument.startsWith('-Wl,')) return this.#linkerList(argument.slice(4).split(','));
    if (argument === '-Xlinker' && next !== undefined) {
      this.#linker.take(next);
      return 1;
    }
    if (writesSideFiles(argument)) return 0;
    return this.#valued(argument, next);
  }

  finish(driver: string): CompilerCommand {
    return {
      driver,
      stage: this.#stage,
      options: this.#options,
      sources: this.#sources,
      output: this.#output,
      dependencyFile: this.#dependencyFile,
      link: {
        inputs: this.#linker.inputs,
        searchFolders: this.#linker.searchFolders,
        kind: this.#kind === 'executable' ? this.#linker.kind : this.#kind,
      },
      include: { quote: this.#quote, angle: this.#angle, forced: this.#forced },
      lto: this.#lto && !this.#fatObjects,
    };
  }

  #input(path: string): 0 {
    const language = this.#language === undefined ? languageOfFile(path) : languageOfOption(this.#language);
    if (language === undefined) this.#linker.inputs.push({ kind: 'file', path });
    else {
      this.#sources.push({ path, language, option: this.#language });
      this.#linker.inputs.push({ kind: 'source', path });
    }
    return 0;
  }

  #atMost(stage: 'assembly' | 'object'): 0 {
    // GCC manual, "Overall Options": the earliest stage asked for wins.
    if (this.#stage === 'link' || (this.#stage === 'object' && stage === 'assembly')) this.#stage = stage;
    return 0;
  }

  /** -Wp,-MD,FILE and the like, as the Linux kernel and older build systems spell dependency output. */
  #preprocessorList(argument: string): 0 {
    const kept: string[] = [];
    const parts = argument.slice(4).split(',');
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i]!;
      if (part === '-MD' || part === '-MMD') this.#dependencyFile = parts[++i] ?? this.#dependencyFile;
      else if (DEPENDENCY_OPTIONS.has(part)) i += DEPENDENCY_OPTIONS.get(part) === true ? 1 : 0;
      else kept.push(part);
    }
    if (kept.length > 0) this.#options.push(`-Wp,${kept.join(',')}`);
    return 0;
  }

  #linkerList(parts: readonly string[]): 0 {
    for (const part of parts) this.#linker.take(part);
    return 0;
  }

  #valued(argument: string, next: string | undefined): 0 | 1 {
    const joined = /^(-o|-x|-L|-l|-I|-iquote|-isystem|-idirafter|-imacros|-include(?!-pch)|-B)(.+)$/.exec(
      argument,
    );
    const separate = DRIVER_SEPARATE.has(argument);
    const name = separate ? argument : (joined?.[1] ?? argument);
    const value = separate ? next : joined?.[2];
    const used = separate && next !== undefined ? 1 : 0;
    switch (name) {
      case '-o':
      case '--output':
        this.#output = value;
        return used;
      case '-x':
        this.#language = value === 'none' ? undefined : value;
        return used;
      case '-L':
        if (value !== undefined) this.#linker.searchFolders.push(value);
        return used;
      case '-l':
        if (value !== undefined) this.#linker.library(value);
        return used;
      case '-iquote':
        if (value !== undefined) this.#quote.push(value);
        break;
      case '-I':
      case '-isystem':
      case '-idirafter':
        if (value !== undefined) this.#angle.push(value);
        break;
      case '-include':
      case '-imacros':
        if (value !== undefined) this.#forced.push(value);
        break;
      case '-shared':
        this.#kind = 'library';
        break;
      case '-r':
        this.#kind = 'relocatable';
        break;
      default:
        this.#noteLto(argument);
    }
    // -T and the like change nothing but the link; -static and -shared also choose start files only.
    if (LINK_ONLY.has(name) && !SHAPES_CODE.has(name)) return used;
    this.#options.push(argument);
    if (used === 1 && next !== undefined) this.#options.push(next);
    return used;
  }

  #noteLto(argument: string): void {
    if (argument === '-flto' || argument.startsWith('-flto=')) this.#lto = true;
    else if (argument === '-fno-lto') this.#lto = false;
    else if (argument === '-ffat-lto-objects') this.#fatObjects = true;
    else if (argument === '-fno-fat-lto-objects') this.#fatObjects = false;
  }
}

/**
 * Link options that a driver's specs may also turn into code generation: -static and -static-pie choose the default of
 * -fPIE, -shared the default of -fPIC on some targets.
 */
const SHAPES_CODE = new Set(['-static', '-static-pie', '-pie', '-no-pie', '-shared']);

/** Arguments as the linker itself reads them. GNU ld manual, "Command-line Options". */
export class LinkerInputs {
  readonly inputs: LinkArgument[] = [];
  readonly searchFolders: string[] = [];
  output: string | undefined;
  kind: LinkFacts['kind'] = 'executable';
  #pending: string | undefined;

  take(argument: string): void {
    const option = this.#pending;
    this.#pending = undefined;
    if (option !== undefined) this.#value(option, argument);
    else if (linkerTakesNext(argument)) this.#pending = argument;
    else if (!argument.startsWith('-')) this.inputs.push({ kind: 'file', path: argument });
    else if (/^-l./.test(argument)) this.library(argument.slice(2));
    else if (/^-L./.test(argument)) this.searchFolders.push(argument.slice(2));
    else if (argument.startsWith('--library=')) this.library(argument.slice(10));
    else if (argument.startsWith('--library-path=')) this.searchFolders.push(argument.slice(15));
    else if (argument.startsWith('--output=')) this.output = argument.slice(9);
    else if (/^--?(shared|Bshareable)$/.test(argument)) this.kind = 'library';
    else if (/^(-r|-i|-Ur|--relocatable)$/.test(argument)) this.kind = 'relocatable';
    else if (/^-o./.test(argument) && !/^-(oformat|omagic)/.test(argument)) this.output = argument.slice(2);
  }

  library(name: string): void {
    this.inputs.push({ kind: 'library', name });
  }

  #value(option: string, value: string): void {
    const name = option.replace(/^--?/, '');
    if (name === 'l' || name === 'library') this.library(value);
    else if (name === 'L' || name === 'library-path') this.searchFolders.push(value);
    else if (name === 'o' || name === 'output') this.output = value;
  }
}
