/** Opens a base together with the file that has its symbols: itself, its separate debug file, or a build of our own. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { SutureError } from '../base/errors.ts';
import { decodeText } from '../bytes/cursor.ts';
import { SHF_EXECINSTR, SHT_NOBITS } from '../elf/constants.ts';
import { ElfImage } from '../elf/image.ts';
import { Base } from './base.ts';
import { type Equality, proveEqual } from './proven-equal.ts';

export interface SymbolSources {
  /** What the user names: a separate debug file, or the same program linked again and not stripped. */
  readonly debug?: string;
  /** Linked files of the recorded build that may be the same program. */
  readonly rebuilt: readonly string[];
  /** Where distributions put separate debug files. */
  readonly debugRoot?: string;
}

export interface OpenedBase {
  readonly base: Base;
  /** The other file whose symbols tell about the base. */
  readonly symbolsFrom?: string;
}

const DEBUG_ROOT = '/usr/lib/debug';
/** Names in one refusal. */
const MOST_NAMES = 20;

/**
 * @throws SutureError IO, NOT_ELF, BAD_FORMAT, UNSUPPORTED, NO_BUILD_ID, REFUSED when nothing tells the symbols, or
 *   what could tell them belongs to other code
 */
export function openBase(file: string, { debug, rebuilt, debugRoot }: SymbolSources): OpenedBase {
  const bytes = read(file);
  const image = ElfImage.parse(bytes, file);
  if (debug !== undefined) return { base: withNamed(file, bytes, image, debug), symbolsFrom: debug };
  if (image.symbols.length > 1) return { base: Base.open(bytes, file) };
  const separate = separateDebugFile(file, image, debugRoot ?? DEBUG_ROOT);
  if (separate !== undefined) {
    return { base: Base.open(bytes, file, read(separate)), symbolsFrom: separate };
  }
  const tried: { name: string; result: Equality & { kind: 'different' } }[] = [];
  for (const name of rebuilt) {
    const other = ElfImage.parse(read(name), name);
    if (other.symbols.length <= 1) continue;
    const result = proveEqual(image, other);
    if (result.kind === 'equal') return { base: Base.openAs(image, other.symbols), symbolsFrom: name };
    tried.push({ name, result });
  }
  const count = ({ functions, other }: Equality & { kind: 'different' }): number =>
    functions.length + other.length;
  const nearest = tried.sort((a, b) => count(a.result) - count(b.result))[0];
  if (nearest !== undefined) throw notEqual(file, nearest.name, nearest.result);
  return { base: Base.open(bytes, file) };
}

function withNamed(file: string, bytes: Uint8Array, image: ElfImage, debug: string): Base {
  const other = ElfImage.parse(read(debug), debug);
  const id = image.buildId();
  if (id !== undefined && id === other.buildId()) return Base.open(bytes, file, other.bytes);
  const hasCode = other.sections.some(
    ({ flags, type }) => (flags & SHF_EXECINSTR) !== 0 && type !== SHT_NOBITS,
  );
  if (!hasCode) return Base.open(bytes, file, other.bytes);
  if (other.symbols.length <= 1) {
    throw new SutureError('REFUSED', `${debug} is stripped too: it has no symbol table`, {
      remedy: 'name a separate debug file, or a build that was not stripped, with --debug',
    });
  }
  const result = proveEqual(image, other);
  if (result.kind === 'different') throw notEqual(file, debug, result);
  return Base.openAs(image, other.symbols);
}

function notEqual(file: string, other: string, result: Equality & { kind: 'different' }): SutureError {
  const names = [...result.functions, ...result.other];
  const more = names.length > MOST_NAMES ? `, and ${names.length - MOST_NAMES} more` : '';
  return new SutureError(
    'REFUSED',
    `${file} is not the code of ${other}: different are ${names.slice(0, MOST_NAMES).join(', ')}${more}`,
    {
      remedy:
        'build with the compiler, flags and source of the target, or name its separate debug file with --debug',
    },
  );
}

/** By build id, then by the name in .gnu_debuglink, as GDB's manual has it ("Debugging Information in Separate Files"). */
function separateDebugFile(file: string, image: ElfImage, root: string): string | undefined {
  const id = image.buildId();
  if (id === undefined) return undefined;
  const folder = path.dirname(path.resolve(file));
  const link = image.section('.gnu_debuglink');
  const bytes = link && image.contents(link);
  const end = bytes?.indexOf(0) ?? -1;
  const name = bytes !== undefined && end > 0 ? path.basename(decodeText(bytes.subarray(0, end))) : undefined;
  const candidates = [
    path.join(root, '.build-id', id.slice(0, 2), `${id.slice(2)}.debug`),
    ...(name === undefined
      ? []
      : [path.join(folder, name), path.join(folder, '.debug', name), path.join(root, folder, name)]),
  ];
  return candidates.find((candidate) => {
    if (!fs.existsSync(candidate) || path.resolve(candidate) === path.resolve(file)) return false;
    try {
      const found = ElfImage.parse(read(candidate), candidate);
      return found.buildId() === id && found.symbols.length > 1;
    } catch (error) {
      if (error instanceof SutureError) return false;
      throw error;
    }
  });
}

function read(file: string): Uint8Array {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new SutureError('IO', `cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}
