// Debian packages that the tests and the demo need, and how their presence shows. Node's own modules only: this runs
// before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/**
 * package: what it is for, and a program on PATH or a file that shows it is there.
 * `for` names the phases that need it: 'demo' is the smallest set, 'test' adds the rivals that results are compared with,
 * 'real' is what npm run test:real builds its servers with, 'qemu' what npm run test:qemu builds QEMU with.
 */
export const PACKAGES = [
  {
    package: 'gcc',
    why: 'compiles the programs that are patched',
    shows: ['gcc', 'cc'],
    for: ['demo', 'test', 'real', 'qemu'],
  },
  {
    package: 'make',
    why: 'builds the example server',
    shows: ['make'],
    for: ['demo', 'test', 'real', 'qemu'],
  },
  {
    package: 'binutils',
    why: 'as and ld; readelf and objdump as rivals',
    shows: ['as', 'ld', 'readelf', 'objdump'],
    for: ['demo', 'test', 'real', 'qemu'],
  },
  {
    package: 'libc6-dev',
    why: "the C library's headers",
    shows: ['/usr/include/stdio.h'],
    for: ['demo', 'test', 'real', 'qemu'],
  },
  { package: 'patch', why: 'rival of the diff applier', shows: ['patch'], for: ['test', 'real', 'qemu'] },
  { package: 'gdb', why: 'rival of the unwinder', shows: ['gdb'], for: ['test'] },
  {
    package: 'elfutils',
    why: 'eu-stack and eu-readelf as rivals',
    shows: ['eu-stack', 'eu-readelf'],
    for: ['test'],
  },
  { package: 'python3', why: 'its stacks are compared with gdb', shows: ['python3'], for: ['test'] },
  { package: 'xz-utils', why: 'its stacks are compared with gdb', shows: ['xz'], for: ['test'] },
  { package: 'g++', why: 'C++ programs that are patched', shows: ['g++'], for: ['test'] },
  { package: 'clang', why: 'the other compiler', shows: ['clang', 'clang++'], for: ['test'] },
  {
    package: 'binutils-aarch64-linux-gnu',
    why: 'as and ld as rivals for the facts of AArch64',
    shows: ['aarch64-linux-gnu-as', 'aarch64-linux-gnu-ld'],
    for: ['test'],
  },
  {
    package: 'gcc-aarch64-linux-gnu',
    why: 'builds programs and patches for AArch64',
    shows: ['aarch64-linux-gnu-gcc'],
    for: ['test'],
  },
  {
    package: 'g++-aarch64-linux-gnu',
    why: 'builds C++ programs and patches for AArch64',
    shows: ['aarch64-linux-gnu-g++'],
    for: ['test'],
  },
  {
    package: 'libc6-dev-arm64-cross',
    why: 'the C library of AArch64 and its headers',
    shows: ['/usr/aarch64-linux-gnu/include/stdio.h'],
    for: ['test'],
  },
  {
    package: 'qemu-system-arm',
    why: 'a machine in which programs for AArch64 are patched',
    shows: ['qemu-system-aarch64'],
    for: ['test'],
  },
  { package: 'lld', why: 'the other linker', shows: ['ld.lld'], for: ['test'] },
  { package: 'cmake', why: 'recording a cmake build', shows: ['cmake'], for: ['test'] },
  { package: 'meson', why: 'recording a meson build', shows: ['meson'], for: ['test', 'qemu'] },
  { package: 'ninja-build', why: 'recording a ninja build', shows: ['ninja'], for: ['test', 'qemu'] },
  { package: 'ccache', why: 'recording a build through a cache', shows: ['ccache'], for: ['test'] },
  {
    package: 'autoconf',
    why: 'recording an autotools build',
    shows: ['autoconf', 'autoreconf'],
    for: ['test'],
  },
  { package: 'automake', why: 'recording an autotools build', shows: ['automake'], for: ['test'] },
  {
    package: 'libtool',
    why: 'recording an autotools build of a library',
    shows: ['libtoolize'],
    for: ['test'],
  },
  {
    package: 'dpkg-dev',
    why: 'builds and unpacks source packages',
    shows: ['dpkg-source', 'dpkg-buildpackage'],
    for: ['test', 'real', 'qemu'],
  },
  { package: 'fakeroot', why: 'dpkg-buildpackage asks for it', shows: ['fakeroot'], for: ['test'] },
  {
    package: 'libpcre2-dev',
    why: 'nginx is built with it',
    shows: ['/usr/include/pcre2.h'],
    for: ['real'],
  },
  {
    package: 'zlib1g-dev',
    why: 'nginx is built with it',
    shows: ['/usr/include/zlib.h'],
    for: ['real', 'qemu'],
  },
  {
    package: 'libssl-dev',
    why: 'nginx is built with it',
    shows: ['/usr/include/openssl/ssl.h'],
    for: ['real'],
  },
  { package: 'pkg-config', why: "QEMU's configure asks it", shows: ['pkg-config'], for: ['qemu'] },
  {
    package: 'libglib2.0-dev',
    why: 'QEMU is built with it',
    shows: ['/usr/include/glib-2.0/glib.h'],
    for: ['qemu'],
  },
  {
    package: 'libpixman-1-dev',
    why: 'QEMU is built with it',
    shows: ['/usr/include/pixman-1/pixman.h'],
    for: ['qemu'],
  },
  { package: 'libfdt-dev', why: 'QEMU is built with it', shows: ['/usr/include/libfdt.h'], for: ['qemu'] },
  { package: 'python3', why: "QEMU's configure is written in it", shows: ['python3'], for: ['qemu'] },
  {
    package: 'seabios',
    why: "the guest's BIOS",
    shows: ['/usr/share/seabios/bios-256k.bin'],
    for: ['qemu'],
  },
  { package: 'cpio', why: "makes the guest's first file system", shows: ['cpio'], for: ['qemu'] },
];

/** True if a program of this name is on PATH, or, for an absolute path, if the file exists. */
function isThere(sign) {
  if (sign.startsWith('/')) return existsSync(sign);
  return (process.env.PATH ?? '/usr/bin:/bin').split(delimiter).some((dir) => existsSync(join(dir, sign)));
}

/** The rows of the table whose signs are missing. */
export function missingPackages(purpose) {
  return PACKAGES.filter((row) => row.for.includes(purpose) && !row.shows.every(isThere));
}

/**
 * Installs what is missing for 'demo', 'test', 'real' or 'qemu': as root with apt-get, otherwise it says what to install.
 * Returns false if something is still missing.
 */
export function ensurePackages(purpose) {
  const missing = missingPackages(purpose);
  if (missing.length === 0) return true;
  const names = missing.map((row) => row.package);
  for (const row of missing) console.log(`missing Debian package ${row.package}: ${row.why}`);
  const isRoot = process.getuid?.() === 0;
  if (!isRoot || !isThere('apt-get')) {
    console.error(`install them first, as root: apt-get install ${names.join(' ')}`);
    return false;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) =>
    spawnSync('apt-get', args, { stdio: ['ignore', 'inherit', 'inherit'], env }).status === 0;
  console.log(`installing ${names.join(' ')}`);
  apt('update', '-qq'); // an old list may do; the install tells
  apt('install', '-y', '-qq', '--no-install-recommends', ...names);
  const still = missingPackages(purpose).map((row) => row.package);
  if (still.length > 0) console.error(`still missing after apt-get install: ${still.join(' ')}`);
  return still.length === 0;
}
