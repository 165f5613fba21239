/** How the words of a case's flags are said to the compilers of a CPU: the cases are written in x86_64's. */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';

export interface Toolchain {
  /** The CPU's name, a word by which directives of a case can be chosen; undefined for this machine's own. */
  readonly cpu: string | undefined;
  /** Commands by language, for the compiler that the flags choose. */
  readonly commands: (isClang: boolean) => { readonly c: string; readonly cxx: string };
  readonly flags: (words: readonly string[]) => string[];
}

export const HOST: Toolchain = {
  cpu: undefined,
  commands: (isClang) => (isClang ? { c: 'clang', cxx: 'clang++' } : { c: 'gcc', cxx: 'g++' }),
  flags: (words) => [...words],
};

const TRIPLE = 'aarch64-linux-gnu';
/** `more`: given to every compile. */
export const aarch64 = (more: readonly string[]): Toolchain => ({
  cpu: 'aarch64',
  commands: (isClang) =>
    isClang
      ? { c: `clang --target=${TRIPLE}`, cxx: `clang++ --target=${TRIPLE}` }
      : { c: `${TRIPLE}-gcc`, cxx: `${TRIPLE}-g++` },
  flags: (words) => [...words.flatMap((word) => translated(word, words)), ...more],
});

function translated(word: string, words: readonly string[]): string[] {
  switch (word) {
    // Descriptors are what gcc's default is here, and the calls of __tls_get_addr the other dialect.
    case '-mtls-dialect=gnu2':
      return ['-mtls-dialect=desc'];
    case '-ftls-model=global-dynamic':
    case '-ftls-model=local-dynamic':
      return words.some((other) => other.startsWith('-mtls-dialect=')) || words.includes('clang')
        ? [word]
        : [word, '-mtls-dialect=trad'];
    case '-fcf-protection=full':
      return ['-mbranch-protection=standard'];
    case '-Wl,-z,ibt':
      return ['-Wl,-z,force-bti'];
    // Nothing below the stack pointer is anybody's (AAPCS64, 6.4.5.1).
    case '-mno-red-zone':
      return [];
    case '-fuse-ld=lld':
      return words.includes('clang') ? [word] : [word, `-B${folderOfLld()}/`];
    default:
      return [word];
  }
}

let lld: string | undefined;

/** A cross compiler looks for a linker under the name of its target, or in folders that it is told. */
function folderOfLld(): string {
  lld ??= dirname(realpathSync(execFileSync('sh', ['-c', 'command -v ld.lld'], { encoding: 'utf8' }).trim()));
  return lld;
}
