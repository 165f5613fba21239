/** Which units a fix reaches: those whose source it changes, and those that read a changed header. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { IncludeScan } from './includes.ts';
import { inParallel } from './parallel.ts';
import { isComparable, type Unit } from './project.ts';
import type { Refused } from './result.ts';
import type { Toolchain } from './toolchain.ts';

export interface TouchedFile {
  /** Relative to the tree, as in the diff. */
  readonly path: string;
  /** Absolute. */
  readonly absolute: string;
  readonly kind: 'changed' | 'new' | 'deleted';
}

export interface Reach {
  readonly units: readonly Unit[];
  /** Touched files that no unit reads. */
  readonly unread: readonly TouchedFile[];
  readonly refused: readonly Refused[];
}

/** Sources of generators: what they produce is compiled, and they are not run here. */
const GENERATOR = /\.(y|yy|ypp|yxx|l|ll|lpp|lex|rl|re|gperf|proto|pyx|vala|idl|thrift|lemon|tab)$/;

/** Milliseconds of searching after which others have their turn: compilers that ended are followed by the next ones. */
const TURN_MS = 10;

/** @param treeIsBack is waited for before compilers are asked; until then only the names of files that are changed count */
export async function reachOf(
  files: readonly TouchedFile[],
  units: readonly Unit[],
  toolchain: Toolchain,
  jobs: number,
  treeIsBack: () => Promise<void> = async () => {},
): Promise<Reach> {
  const touched = new Map(files.map((file) => [realPath(file.absolute), file]));
  const read = new Set<string>();
  const reached = new Map<string, Unit>();
  for (const unit of units) {
    const source = realPath(unit.source);
    if (!touched.has(source)) continue;
    read.add(source);
    reached.set(unit.key, unit);
  }
  const refused: Refused[] = [];
  // A changed source may be included by another one too.
  const existing = [...touched].filter(([, file]) => file.kind !== 'new').map(([real]) => real);
  const appearing = files.filter((file) => file.kind === 'new').map((file) => file.absolute);
  const scan = new IncludeScan(existing, appearing);
  const appearance = appearing.length === 0 ? undefined : new IncludeScan([], appearing);
  const isHeader = (real: string): boolean => !read.has(real);
  const isAnyHeader = [...touched.keys()].some(isHeader);
  const candidates: Unit[] = [];
  for (let i = 0, turn = performance.now(); i < units.length; i++) {
    const unit = units[i]!;
    if ((isAnyHeader || !reached.has(unit.key)) && scan.mayRead(unit)) candidates.push(unit);
    if (performance.now() - turn < TURN_MS) continue;
    await setImmediate();
    turn = performance.now();
  }
  await treeIsBack();
  const lists = await inParallel(candidates, jobs, (unit) => toolchain.filesRead(unit));
  for (const [index, unit] of candidates.entries()) {
    const list = lists[index];
    // What the preprocessor cannot read now will be told when it is compiled.
    const files = list?.map(realPath);
    const hits = files?.filter((file) => touched.has(file)) ?? [];
    const appears = appearance?.mayRead(unit) === true;
    for (const hit of hits) read.add(hit);
    if (files !== undefined && hits.length === 0 && !appears) continue;
    reached.set(unit.key, unit);
    const isHeaderChanged = hits.some((hit) => hit !== realPath(unit.source));
    const precompiled = isHeaderChanged ? precompiledIn(unit, files ?? []) : undefined;
    if (precompiled !== undefined) refused.push(precompiledHeader(unit, precompiled));
  }
  const unread = [...touched]
    .filter(([real, file]) => !read.has(real) && file.kind !== 'new')
    .map(([, file]) => file);
  refused.push(...unread.filter((file) => GENERATOR.test(file.path)).map(generated));
  const all = [...reached.values()];
  for (const unit of all) {
    const file = touched.get(realPath(unit.source));
    if (!isComparable(unit) && unit.language !== 'header') refused.push(notComparable(unit));
    else if (unit.command.lto) refused.push(linkTimeOptimized(unit));
    else if (file?.kind === 'deleted') refused.push(deletedSource(unit, file));
  }
  return { units: all.filter(isComparable), unread, refused };
}

function realPath(file: string): string {
  try {
    return fs.realpathSync.native(file);
  } catch {
    return file;
  }
}

/**
 * The precompiled header that the compiler takes instead of reading headers; with -M gcc reads them all the same.
 * GCC manual, "Precompiled Headers": NAME.gch beside the header; clang is told by -include-pch.
 */
function precompiledIn({ command, directory }: Unit, files: readonly string[]): string | undefined {
  const told = command.options.indexOf('-include-pch');
  if (told >= 0) return path.resolve(directory, command.options[told + 1] ?? '');
  return files.map((file) => `${file}.gch`).find((file) => fs.existsSync(file));
}

function precompiledHeader(unit: Unit, file: string): Refused {
  return {
    unit: unit.source,
    what: `it is compiled with the precompiled header ${path.basename(file)}, which would hide the changed one`,
    where: file,
    remedy: 'configure the base without precompiled headers and record it again',
  };
}

function generated(file: TouchedFile): Refused {
  return {
    what: `the diff changes ${file.path}, from which another program generates sources`,
    where: file.path,
    remedy: 'give a diff of the generated source instead, made by running the generator on both versions',
  };
}

function notComparable(unit: Unit): Refused {
  const assembler = unit.language.startsWith('assembler');
  return {
    unit: unit.source,
    what: assembler
      ? 'an assembler source has no functions that could be compared'
      : 'its language is not C or C++',
    where: unit.source,
    remedy: 'leave the file out of the diff, or restart the program with a new build for this fix',
  };
}

function linkTimeOptimized(unit: Unit): Refused {
  return {
    unit: unit.source,
    what: 'it is compiled with -flto: its code is generated when the object is linked',
    where: unit.source,
    remedy: 'build the base without -flto, or with -flto -ffat-lto-objects and a link without -flto',
  };
}

function deletedSource(unit: Unit, file: TouchedFile): Refused {
  return {
    unit: unit.source,
    what: `the diff deletes or renames ${file.path}, which is compiled into ${path.basename(unit.key)}`,
    where: file.path,
    remedy: 'keep the file and change its content instead',
  };
}
