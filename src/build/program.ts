/** Which kind of build tool an executed command is, by the name of its program. */
export type Tool =
  | {
      readonly kind: 'compiler' /** ccache, distcc, … in front of it */;
      readonly launcher: readonly string[];
      readonly argv: readonly string[];
    }
  | { readonly kind: 'linker' | 'archiver'; readonly argv: readonly string[] };

const COMPILER = /^(?:.+-)?(?:gcc|g\+\+|cc|c\+\+|clang|clang\+\+|c89|c99)(?:-\d+(?:\.\d+)*)?$/;
const LINKER = /^(?:.+-)?ld(?:\.(?:bfd|gold|lld|mold))?$|^(?:ld64\.)?(?:lld|mold)$/;
const ARCHIVER = /^(?:.+-)?ar(?:-\d+)?$/;
const LAUNCHER = /^(?:ccache|distcc|sccache|icecc|buildcache)$/;
const INTERPRETER = /^(?:sh|bash|dash|ksh|busybox|perl|python\d?(?:\.\d+)?)$/;

/** File name without folders. */
export function programName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

/**
 * What was executed, judged by its arguments; undefined for anything but a compiler, a linker or an archiver.
 * A script that stands in for a compiler shows up as `sh /path/to/gcc …` (execve(2), "Interpreter scripts").
 */
export function recognizeTool(argv: readonly string[]): Tool | undefined {
  let rest = argv;
  const first = rest[0];
  if (first === undefined) return undefined;
  const second = rest[1];
  if (second?.startsWith('/') && INTERPRETER.test(programName(first))) rest = rest.slice(1);
  const launcher: string[] = [];
  while (rest.length > 1 && LAUNCHER.test(programName(rest[0]!))) {
    launcher.push(rest[0]!);
    rest = rest.slice(1);
  }
  const name = programName(rest[0]!);
  // clang runs itself again as the compiler proper.
  if (rest[1] === '-cc1' || rest[1] === '-cc1as') return undefined;
  if (COMPILER.test(name)) return { kind: 'compiler', launcher, argv: rest };
  if (launcher.length > 0) return undefined;
  if (LINKER.test(name)) return { kind: 'linker', argv: rest };
  if (ARCHIVER.test(name)) return { kind: 'archiver', argv: rest };
  return undefined;
}

/** True for the processes that a compiler driver starts and that start nothing of interest themselves. */
export function isLeafProgram(name: string): boolean {
  return LEAVES.has(name);
}

const LEAVES = new Set([
  ...[
    'cc1',
    'cc1plus',
    'cc1obj',
    'cc1objplus',
    'as',
    'collect2',
    'lto1',
    'lto-wrapper',
    'ranlib',
    'nm',
    'strip',
    'objcopy',
  ],
  ...[
    'sed',
    'grep',
    'egrep',
    'fgrep',
    'cat',
    'rm',
    'mkdir',
    'rmdir',
    'mv',
    'cp',
    'ln',
    'touch',
    'echo',
    'printf',
    'expr',
  ],
  ...[
    'basename',
    'dirname',
    'tr',
    'sort',
    'uniq',
    'wc',
    'head',
    'tail',
    'cut',
    'cmp',
    'diff',
    'test',
    'uname',
    'date',
    'sleep',
  ],
  ...[
    'ls',
    'chmod',
    'install',
    'mktemp',
    'readlink',
    'realpath',
    'true',
    'false',
    'hostname',
    'id',
    'tee',
    'pwd',
  ],
]);
