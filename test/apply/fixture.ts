/**
 * Small programs compiled by gcc, and patches for them whose new bodies are compiled from C as well: the apply side
 * is tested by itself, without the build side.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { archOfMachine } from '../../src/arch/index.ts';
import { hex, vaddr } from '../../src/bytes/address.ts';
import {
  SHF_ALLOC,
  SHF_EXECINSTR,
  SHF_WRITE,
  SHN_UNDEF,
  SHT_NOBITS,
  STT_FUNC,
  STT_SECTION,
  STT_TLS,
} from '../../src/elf/constants.ts';
import { ElfImage } from '../../src/elf/image.ts';
import { MANIFEST_FORMAT, type ManifestFunction, type ManifestImport } from '../../src/patch/manifest.ts';
import type { Patch, PatchContents, PatchSection, PatchSymbol } from '../../src/patch/patch.ts';
import { readPatch } from '../../src/patch/reader.ts';
import { writePatch } from '../../src/patch/writer.ts';
import { sha256 } from '../../src/store/catalogue.ts';

/** The compiler of a CPU, with what every compile is given, and what makes functions begin with their own code. */
export interface ShopCompiler {
  readonly command: string;
  readonly flags: readonly string[];
  readonly plain: readonly string[];
}

const HOST_COMPILER: ShopCompiler = { command: 'gcc', flags: [], plain: ['-fcf-protection=none'] };

/** A folder of a test's own, and the processes started in it; both are gone afterwards. */
export class Workshop implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'suture-apply-'));
  readonly #children: ChildProcess[] = [];
  readonly #compiler: ShopCompiler;

  constructor(compiler = HOST_COMPILER) {
    this.#compiler = compiler;
  }

  compile(name: string, source: string, flags: readonly string[] = []): string {
    const output = join(this.directory, name);
    writeFileSync(`${output}.c`, source);
    const common = ['-O1', '-g0', '-Wl,--build-id', ...this.#compiler.flags];
    execFileSync(this.#compiler.command, [...common, '-o', output, `${output}.c`, ...flags], {
      cwd: this.directory,
    });
    return output;
  }

  /** The object file that the patch's new code comes from. */
  compileObject(name: string, source: string, flags: readonly string[] = []): ElfImage {
    const output = join(this.directory, `${name}.o`);
    writeFileSync(`${output}.c`, source);
    const { command, flags: own, plain } = this.#compiler;
    const fixed = ['-O1', '-c', '-fPIE', '-fno-common', ...plain, '-fno-stack-protector', ...own];
    execFileSync(command, [...fixed, ...flags, '-o', output, `${output}.c`]);
    return ElfImage.parse(new Uint8Array(readFileSync(output)), output);
  }

  start(program: string, args: readonly string[] = []): Program {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'], cwd: this.directory });
    this.#children.push(child);
    return new Program(child);
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A program that answers each line of its input with a line. */
export class Program {
  #pending = '';
  #waiting: ((line: string) => void)[] = [];
  readonly #lines: string[] = [];
  readonly ended: Promise<number | null>;

  constructor(readonly child: ChildProcess) {
    this.ended = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#pending + text).split('\n');
      this.#pending = lines.pop() ?? '';
      for (const line of lines) {
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.#lines.push(line);
        else waiting(line);
      }
    });
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  send(text: string): void {
    this.child.stdin?.write(`${text}\n`);
  }

  line(): Promise<string> {
    const known = this.#lines.shift();
    if (known !== undefined) return Promise.resolve(known);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`process ${this.pid} printed nothing for 10 s`)),
        10_000,
      );
      this.#waiting.push((line) => {
        clearTimeout(timer);
        resolve(line);
      });
    });
  }

  ask(text: string): Promise<string> {
    this.send(text);
    return this.line();
  }
}

export interface PatchRequest {
  readonly id: string;
  /** The linked executable or library. */
  readonly base: string;
  readonly object: ElfImage;
  /** Functions of the object that take the place of the base's of the same name; others are new. */
  readonly changed: readonly string[];
  readonly requires?: readonly string[];
}

const ENTRY_BYTES = 16;

/** Makes a patch out of an object file, writes it as a file would be and reads it back. */
export function patchOf(request: PatchRequest): Patch {
  const base = ElfImage.parse(new Uint8Array(readFileSync(request.base)), request.base);
  const arch = archOfMachine(base.machine)!;
  const { object } = request;
  const sections: PatchSection[] = [];
  const sectionOf = new Map<number, number>();
  for (const section of object.sections) {
    if ((section.flags & SHF_ALLOC) === 0 || section.size === 0 || section.name.startsWith('.note')) continue;
    const kind =
      (section.flags & SHF_EXECINSTR) !== 0
        ? ('text' as const)
        : section.type === SHT_NOBITS
          ? ('bss' as const)
          : (section.flags & SHF_WRITE) !== 0
            ? ('data' as const)
            : ('rodata' as const);
    sectionOf.set(section.index, sections.length);
    const name = section.name === '.eh_frame' ? section.name : `.kpatch${section.name.replaceAll('.', '.')}`;
    sections.push({
      name,
      kind,
      bytes: object.contents(section),
      size: section.size,
      align: Math.max(1, section.align),
      relocations: object.relocations(section).map(({ offset, type, symbolIndex, addend }) => ({
        offset: Number(offset),
        type,
        symbol: symbolIndex,
        addend,
      })),
    });
  }

  const imports: ManifestImport[] = [];
  const symbols = [...object.symbols].map((symbol): PatchSymbol => {
    const { name, shndx, type, value } = symbol;
    const section = sectionOf.get(shndx);
    if (section !== undefined && type === STT_SECTION) {
      return {
        kind: 'section',
        name: sections[section]!.name,
        section,
        offset: 0,
        size: 0,
        symbolType: 'unknown',
      };
    }
    const inBase = base.symbols.named(name).find((candidate) => candidate.shndx !== SHN_UNDEF);
    if (request.changed.includes(name) && inBase !== undefined) {
      return { kind: 'base', name, address: inBase.value, symbolType: 'function' };
    }
    if (section !== undefined) {
      const symbolType = type === STT_FUNC ? 'function' : 'object';
      return { kind: 'section', name, section, offset: Number(value), size: symbol.size, symbolType };
    }
    if (shndx !== SHN_UNDEF || name === '') return { kind: 'none', name };
    if (inBase !== undefined && inBase.type === STT_TLS)
      return { kind: 'tls-base', name, offset: inBase.value };
    if (inBase !== undefined) return { kind: 'base', name, address: inBase.value, symbolType: 'unknown' };
    imports.push({ name, type: type === STT_TLS ? 'tls' : 'unknown', weak: false });
    return { kind: 'import', name, importIndex: imports.length - 1 };
  });

  const text = object.section('.text')!;
  const functions = [...object.symbols].flatMap((symbol): ManifestFunction[] => {
    const { name, type, shndx, size } = symbol;
    if (type !== STT_FUNC || shndx !== text.index) return [];
    const common = {
      name,
      unit: `${name}.c`,
      reason: 'the test asks for it',
      replacement: { offset: Number(symbol.value), size },
      replacementParts: [],
    };
    if (!request.changed.includes(name)) return [{ ...common, kind: 'new' }];
    const original = base.symbols.named(name).find((candidate) => candidate.shndx !== SHN_UNDEF)!;
    const entry = base.readVaddr(original.value, Math.min(ENTRY_BYTES, original.size));
    return [
      {
        ...common,
        kind: 'changed',
        original: {
          address: hex(original.value),
          size: original.size,
          entryBytes: Buffer.from(entry).toString('hex'),
          redirectOffset: arch.jump.landingPad(entry),
          parts: [],
        },
      },
    ];
  });

  const contents: PatchContents = {
    manifest: {
      format: MANIFEST_FORMAT,
      id: request.id,
      description: 'a patch of the tests',
      cpu: arch.name,
      target: {
        buildId: base.buildId() ?? '',
        file: request.base.slice(request.base.lastIndexOf('/') + 1),
        type: request.base.endsWith('.so') ? ('library' as const) : ('executable' as const),
      },
      functions,
      variables: [],
      imports,
      requires: request.requires ?? [],
      compiler: 'gcc',
      warnings: [],
    },
    arch,
    sections,
    symbols,
    baseSections: base.sections
      .filter(({ flags, size }) => (flags & SHF_ALLOC) !== 0 && size > 0)
      .map(({ name, address, size, align, flags }) => ({
        name,
        address: vaddr(address),
        size,
        align,
        flags,
      })),
  };
  return readPatch(writePatch(contents, sha256), sha256, `${request.id}.kpatch`);
}
