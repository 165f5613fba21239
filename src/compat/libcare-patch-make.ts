/**
 * `libcare-patch-make`: patches of a make project, from source diffs. The base is built and recorded once and installed
 * into a folder; then only what the fix touches is compiled. No compiler of the system is replaced.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SutureError } from '../base/errors.ts';
import type { Progress } from '../base/progress.ts';
import type { BuiltPatch } from '../build/result.ts';
import { ended, FAILED, type Voice } from './voice.ts';

const USAGE = `usage: libcare-patch-make [options] -i ID PATCH...
  -c, --clean         make clean before the base is built
  -u, --update        the base was built by an earlier run: make patches only
  -s, --srcdir DIR    the source tree; the current folder
  -d, --destdir VAR   the variable of the Makefile that install honours; DESTDIR
  -i, --id ID         id of the patch, 1 to 7 characters
  -b, --buildid ID    build the patch for the object with this build id only
  -j, --jobs N        compilers at the same time
`;

interface Request {
  readonly source: string;
  readonly destination: string;
  readonly id: string;
  readonly jobs: number;
  readonly clean: boolean;
  readonly update: boolean;
  readonly buildId: string | undefined;
  readonly diffs: readonly string[];
  /** Where the base, the new code and the patches go. */
  readonly original: string;
  readonly patched: string;
  readonly patchRoot: string;
}

function requestOf(): Request | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      clean: { type: 'boolean', short: 'c' },
      update: { type: 'boolean', short: 'u' },
      srcdir: { type: 'string', short: 's' },
      destdir: { type: 'string', short: 'd' },
      id: { type: 'string', short: 'i' },
      buildid: { type: 'string', short: 'b' },
      jobs: { type: 'string', short: 'j' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const { id, jobs } = values;
  const isRight =
    id !== undefined &&
    /^[A-Za-z0-9._-]{1,7}$/.test(id) &&
    (jobs === undefined || /^[1-9]\d{0,3}$/.test(jobs)) &&
    (values.buildid === undefined || /^[0-9a-f]{40}$/.test(values.buildid));
  if (values.help === true || !isRight || positionals.length === 0) return undefined;
  const source = resolve(values.srcdir ?? '.');
  const from = (name: string, usual: string): string => resolve(source, process.env[name] || usual);
  return {
    source,
    destination: values.destdir ?? 'DESTDIR',
    id,
    jobs: jobs === undefined ? availableParallelism() : Number(jobs),
    clean: values.clean === true,
    update: values.update === true,
    buildId: values.buildid,
    diffs: positionals.map((diff) => resolve(diff)),
    original: from('LPMAKE_ORIGINAL_DIR', 'lpmake'),
    patched: from('LPMAKE_PATCHED_DIR', '.lpmaketmp/patched'),
    patchRoot: from('LPMAKE_PATCHROOT', 'patchroot'),
  };
}

/** `make` as this project wants it. */
function makeCommand({ source, jobs }: Request): string[] {
  const own = existsSync(join(source, 'lpmakefile')) ? ['-f', 'lpmakefile'] : [];
  return ['make', ...own, `-j${jobs}`];
}

function make(request: Request, ...targets: string[]): void {
  const [program, ...args] = [...makeCommand(request), ...targets];
  const { status, error } = spawnSync(program!, args, {
    cwd: request.source,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status === 0) return;
  throw new SutureError(
    'COMPILE',
    `make ${targets.join(' ')} ${error?.message ?? `ended with exit code ${status}`}`,
    {
      remedy: `make ${targets.join(' ')} must succeed in ${request.source}`,
    },
  );
}

async function buildBase(request: Request, voice: Voice, progress: Progress): Promise<void> {
  const { record } = await import('../build/recorder.ts');
  if (request.clean) make(request, 'clean');
  voice.out('BUILDING ORIGINAL CODE\n');
  const { exitCode } = await record(makeCommand(request), request.source, progress);
  if (exitCode !== 0) {
    throw new SutureError('COMPILE', `make ended with exit code ${exitCode}`, {
      remedy: `make must succeed in ${request.source}`,
    });
  }
  voice.out(`INSTALLING ORIGINAL OBJECTS INTO ${request.original}\n`);
  mkdirSync(request.original, { recursive: true });
  make(request, 'install', `${request.destination}=${request.original}`);
}

/** Files below a folder by build id. */
async function objectsBelow(folder: string): Promise<Map<string, string>> {
  const { ElfImage } = await import('../elf/image.ts');
  const found = new Map<string, string>();
  if (!existsSync(folder)) return found;
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    const file = join(entry.path, entry.name);
    if (!entry.isFile() || !isElf(file)) continue;
    try {
      const buildId = ElfImage.parse(new Uint8Array(readFileSync(file)), file).buildId();
      if (buildId !== undefined) found.set(buildId, file);
    } catch (error) {
      if (!(error instanceof SutureError)) throw error;
    }
  }
  return found;
}

function isElf(file: string): boolean {
  const bytes = readFileSync(file);
  return bytes.length > 64 && bytes.readUInt32LE(0) === 0x464c457f;
}

/** The recorded object with this build id: the one in the tree, whose symbols are whole, before the installed one. */
async function objectWith(
  buildId: string,
  request: Request,
  installed: ReadonlyMap<string, string>,
): Promise<string> {
  const { loadRecord } = await import('../build/record.ts');
  const linked = loadRecord(request.source)?.linked ?? new Map<string, string | null>();
  const found = [...linked].find(([, id]) => id === buildId)?.[0] ?? installed.get(buildId);
  if (found !== undefined) return found;
  throw new SutureError('NO_BUILD_ID', `nothing that was built here has the build id ${buildId}`, {
    remedy: `build with the compiler and source of that file, or put it into ${request.original}`,
  });
}

async function makePatches(request: Request, voice: Voice, progress: Progress): Promise<number> {
  const { buildPatchSet } = await import('../build/pipeline.ts');
  for (const diff of request.diffs) voice.out(`applying ${diff}...\n`);
  const installed = await objectsBelow(request.original);
  voice.out('BUILDING PATCHED CODE\n');
  const target = request.buildId && (await objectWith(request.buildId, request, installed));
  const { patches, refused } = await buildPatchSet(
    {
      dir: request.source,
      id: request.id,
      outDir: request.patchRoot,
      diffs: request.diffs,
      functions: [],
      jobs: request.jobs,
      compat: 'if-possible',
      ...(target ? { target } : {}),
    },
    progress,
  );
  for (const { what, where, remedy } of refused) {
    voice.err(`libcare-patch-make: ${what}${where === undefined ? '' : `: ${where}`}\n  try: ${remedy}\n`);
  }
  if (refused.length > 0) return FAILED;
  voice.out(`INSTALLING PATCHED OBJECTS INTO ${request.patched}\n`);
  await installPatched(request.patched, patches);
  voice.out('MAKING PATCHES\n');
  for (const { buildId, object, file } of patches)
    voice.out(`patch for ${installed.get(buildId) ?? object} is in ${resolve(file)}\n`);
  return 0;
}

/** The new code as an object file for each patch, for objdump and the like. */
async function installPatched(folder: string, patches: readonly BuiltPatch[]): Promise<void> {
  const { HEADER_SIZE } = await import('../patch/layout.ts');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { file, object, buildId } of patches)
    writeFileSync(join(folder, `${basename(object)}.${buildId}.o`), readFileSync(file).subarray(HEADER_SIZE));
}

async function main(voice: Voice): Promise<number> {
  let request: Request | undefined;
  try {
    request = requestOf();
  } catch (error) {
    voice.err(`libcare-patch-make: ${(error as Error).message}\n`);
  }
  if (request === undefined) {
    voice.err(USAGE);
    return FAILED;
  }
  const progress: Progress = {
    step() {},
    note: (text) => voice.err(`${text}\n`),
    warn: (text) => voice.err(`warning: ${text}\n`),
  };
  // For projects that were configured with CC=libcare-cc: it need not note what the recorder sees.
  process.env.KPATCH_STAGE = 'patched';
  if (!request.update) await buildBase(request, voice, progress);
  return await makePatches(request, voice, progress);
}

export const command = (): Promise<void> => ended('libcare-patch-make', main);
