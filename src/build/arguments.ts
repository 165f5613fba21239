/**
 * What each option of a compiler driver takes with it, as far as finding inputs and outputs needs it.
 * Sources: GCC manual, "Option Summary"; clang, "Command line argument reference"; GNU ld manual, "Options".
 */

/** Driver options whose value is the next argument when it is not joined. */
export const DRIVER_SEPARATE: ReadonlySet<string> = new Set([
  ...[
    '-o',
    '-x',
    '-I',
    '-D',
    '-U',
    '-L',
    '-l',
    '-A',
    '-B',
    '-F',
    '-T',
    '-u',
    '-z',
    '-e',
    '-h',
    '-G',
    '-R',
    '-b',
    '-V',
  ],
  ...[
    '-include',
    '-imacros',
    '-include-pch',
    '-isystem',
    '-iquote',
    '-idirafter',
    '-iprefix',
    '-iwithprefix',
  ],
  ...[
    '-iwithprefixbefore',
    '-isysroot',
    '-imultilib',
    '-imultiarch',
    '-ivfsoverlay',
    '-iframework',
    '-cxx-isystem',
  ],
  ...[
    '-MF',
    '-MT',
    '-MQ',
    '-MJ',
    '-Xlinker',
    '-Xassembler',
    '-Xpreprocessor',
    '-Xclang',
    '-mllvm',
    '-Xcompiler',
  ],
  ...[
    '-aux-info',
    '-dumpbase',
    '-dumpbase-ext',
    '-dumpdir',
    '--param',
    '-wrapper',
    '-target',
    '--sysroot',
    '-arch',
  ],
  ...[
    '-gcc-toolchain',
    '-resource-dir',
    '-rpath',
    '-Tbss',
    '-Tdata',
    '-Ttext',
    '--config',
    '-iplugindir',
    '-specs',
  ],
  ...[
    '--include',
    '--define-macro',
    '--undefine-macro',
    '--include-directory',
    '--library-directory',
    '--output',
  ],
  ...[
    '--language',
    '--entry',
    '--for-linker',
    '--for-assembler',
    '--serialize-diagnostics',
    '-dependency-file',
  ],
]);

/** Linker options whose value is the next argument when it is not joined with `=`; one or two dashes. */
const LINKER_SEPARATE = new Set([
  ...[
    'o',
    'L',
    'l',
    'T',
    'e',
    'h',
    'm',
    'u',
    'y',
    'Y',
    'z',
    'b',
    'A',
    'c',
    'f',
    'F',
    'G',
    'I',
    'R',
    'a',
    'P',
  ],
  ...[
    'output',
    'library',
    'library-path',
    'script',
    'entry',
    'soname',
    'rpath',
    'rpath-link',
    'dynamic-linker',
  ],
  ...['Map', 'defsym', 'section-start', 'Tbss', 'Tdata', 'Ttext', 'plugin', 'plugin-opt', 'version-script'],
  ...[
    'dynamic-list',
    'undefined',
    'auxiliary',
    'filter',
    'format',
    'oformat',
    'fini',
    'init',
    'just-symbols',
  ],
  ...[
    'retain-symbols-file',
    'wrap',
    'hash-style-file',
    'dependency-file',
    'exclude-libs',
    'sysroot',
    'trace-symbol',
  ],
  ...[
    'default-script',
    'dT',
    'assert',
    'architecture',
    'audit',
    'depaudit',
    'require-defined',
    'sort-section',
  ],
]);

/** True if the linker takes the argument after `option` as its value. */
export function linkerTakesNext(option: string): boolean {
  if (!option.startsWith('-') || option.includes('=')) return false;
  return LINKER_SEPARATE.has(option.replace(/^--?/, ''));
}

/** Options that only matter when objects are linked; the value says whether the next argument goes with it. */
export const LINK_ONLY: ReadonlyMap<string, boolean> = new Map([
  ...['-L', '-l', '-T', '-u', '-z', '-e', '-h', '-R', '-Xlinker', '-rpath', '-Tbss', '-Tdata', '-Ttext'].map(
    (option): [string, boolean] => [option, true],
  ),
  ...[
    '-shared',
    '-static',
    '-static-pie',
    '-rdynamic',
    '-nostdlib',
    '-nostartfiles',
    '-nodefaultlibs',
    '-s',
    '-r',
  ].map((option): [string, boolean] => [option, false]),
  ...['-pie', '-no-pie', '-static-libgcc', '-static-libstdc++', '-shared-libgcc', '-symbolic', '-nolibc'].map(
    (option): [string, boolean] => [option, false],
  ),
]);

/** `-M…` options: the value says whether the next argument goes with it. GCC manual, "Preprocessor Options". */
export const DEPENDENCY_OPTIONS: ReadonlyMap<string, boolean> = new Map([
  ...['-M', '-MM', '-MD', '-MMD', '-MP', '-MG', '-MV', '-MM', '-Mno-modules'].map((o): [string, boolean] => [
    o,
    false,
  ]),
  ...['-MF', '-MT', '-MQ', '-MJ', '-dependency-file'].map((o): [string, boolean] => [o, true]),
]);

/** Options that write files of their own beside the output; a second compilation must not overwrite those. */
export function writesSideFiles(option: string): boolean {
  return (
    /^-?-save-temps(=|$)/.test(option) ||
    /^-fdump-/.test(option) ||
    /^-f(stack-usage|callgraph-info|save-optimization-record|time-report|opt-info)/.test(option) ||
    /^-d[A-Zap]+$/.test(option) ||
    option === '-time' ||
    option === '-v' ||
    option === '-###'
  );
}
