/**
 * The guest: a Linux kernel of Debian's, with the modules for a virtio disk and one program of ours (guest-init.c), in a
 * hypervisor of ours. What it says on the serial console is read as it comes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { must, PrivateApt } from '../debian/private-apt.ts';
import { repository } from '../programs/harness.ts';
import type { Hypervisor } from './fixes.ts';
import { Qmp } from './qmp.ts';

/** The kernel for virtual machines; the package of this name depends on the one of the day. */
const KERNEL = 'linux-image-cloud-amd64';
/** What starts a kernel from the command line; the BIOS itself is seabios's. */
const FIRMWARE = 'qemu-system-data';
const FIRMWARE_FILES = ['linuxboot_dma.bin', 'kvmvapic.bin'];
const MODULES = ['virtio_pci', 'virtio_blk'];
const DISK_BYTES = 64 << 20;
const RAM_MB = 256;

export interface GuestFiles {
  readonly kernel: string;
  readonly initrd: string;
  /** Folder of the firmware that seabios does not bring. */
  readonly firmware: string;
  /** Folder in which QEMU's keymaps are. */
  readonly keymaps: string;
}

/** Kernel and first file system, made once for each content of the program. */
export async function guestFiles(cache: string, tree: string): Promise<GuestFiles> {
  const folder = join(cache, 'guest');
  const kernel = join(folder, 'vmlinuz');
  const modules = join(folder, 'modules');
  if (!existsSync(join(folder, 'ready'))) {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(modules, { recursive: true });
    await unpackKernel(cache, folder, kernel, modules);
    writeFileSync(join(folder, 'ready'), '');
  }
  const initrd = join(folder, 'initrd');
  const root = mkdtempSync(join(folder, 'root-'));
  try {
    for (const name of ['proc', 'dev', 'modules']) mkdirSync(join(root, name));
    for (const name of readdirSync(modules)) copyFileSync(join(modules, name), join(root, 'modules', name));
    const source = join(repository, 'test/qemu/guest-init.c');
    await must('gcc', ['-O2', '-Wall', '-static', '-pthread', '-o', join(root, 'init'), source], folder);
    await must('sh', ['-c', `find . | cpio -o -H newc --quiet -R 0:0 > '${initrd}'`], root);
  } finally {
    rmSync(root, { recursive: true });
  }
  return { kernel, initrd, firmware: folder, keymaps: join(tree, 'pc-bios') };
}

async function unpackKernel(cache: string, folder: string, kernel: string, modules: string): Promise<void> {
  const apt = new PrivateApt(cache, { type: 'deb' });
  await apt.update(folder);
  const depends = await apt.run('apt-cache', ['depends', KERNEL], folder);
  const image = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (image === undefined) throw new Error(`${KERNEL} depends on no kernel:\n${depends}`);
  const unpacked = await unpackedPackage(apt, image, folder);
  const boot = readdirSync(join(unpacked, 'boot')).find((name) => name.startsWith('vmlinuz-'));
  copyFileSync(join(unpacked, 'boot', boot ?? 'vmlinuz'), kernel);
  const files = readdirSync(join(unpacked, 'lib/modules'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ko'))
    .map((name) => join(unpacked, 'lib/modules', name));
  [...new Set(MODULES.flatMap((name) => inLoadOrder(files, name)))].forEach((file, i) => {
    copyFileSync(file, join(modules, `${10 + i}-${basename(file)}`));
  });
  rmSync(unpacked, { recursive: true });
  const data = await unpackedPackage(apt, FIRMWARE, folder);
  for (const name of FIRMWARE_FILES) copyFileSync(join(data, 'usr/share/qemu', name), join(folder, name));
  rmSync(data, { recursive: true });
}

/** The files of a package, which is not installed, in a folder of their own. */
async function unpackedPackage(apt: PrivateApt, name: string, folder: string): Promise<string> {
  await apt.run('apt-get', ['download', '-q', name], folder);
  const archive = readdirSync(folder).find((one) => one.startsWith(`${name}_`) && one.endsWith('.deb'));
  if (archive === undefined) throw new Error(`${name} was not downloaded`);
  const unpacked = join(folder, `${name}-files`);
  await must('dpkg-deb', ['-x', archive, unpacked], folder);
  rmSync(join(folder, archive));
  return unpacked;
}

/** A module behind those that it depends on, which its .modinfo names. */
function inLoadOrder(files: readonly string[], name: string): string[] {
  const file = files.find((one) => basename(one) === `${name}.ko`);
  if (file === undefined) return []; // built into the kernel
  const depends = /\0depends=([^\0]*)\0/.exec(readFileSync(file, 'latin1'))?.[1] ?? '';
  return [
    ...depends
      .split(',')
      .filter((one) => one !== '')
      .flatMap((one) => inLoadOrder(files, one)),
    file,
  ];
}

export interface Tick {
  readonly number: number;
  /** The longest time in which the guest's clock ran and the guest did not, since the tick before. */
  readonly gapUs: number;
  readonly requests: number;
  readonly errors: number;
}

export class Guest implements Hypervisor {
  readonly folder: string;
  readonly vnc: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<number | null>;
  readonly #console: string[] = [];
  readonly #listeners = new Set<(tick: Tick) => void>();
  #last: Tick | undefined;
  #qmp: Qmp | undefined;
  /** The longest gap since `resetLongest`. */
  longestGapUs = 0;

  private constructor(executable: string, files: GuestFiles, folder: string) {
    this.folder = folder;
    this.vnc = join(folder, 'vnc');
    const disk = join(folder, 'disk');
    writeFileSync(disk, '');
    truncateSync(disk, DISK_BYTES);
    this.#child = spawn(executable, this.#options(files, disk), { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#ended = new Promise((resolve) =>
      this.#child.once('exit', resolve).once('error', () => resolve(-1)),
    );
    for (const stream of [this.#child.stdout, this.#child.stderr])
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#read(line));
  }

  /** Starts the hypervisor and waits until its guest works. */
  static async start(executable: string, files: GuestFiles, folder: string): Promise<Guest> {
    const guest = new Guest(executable, files, folder);
    try {
      await guest.ticks(3, 120);
      guest.#qmp = await Qmp.open(join(folder, 'qmp'));
      return guest;
    } catch (error) {
      await guest.stop();
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get qmp(): Qmp {
    if (this.#qmp === undefined) throw new Error('the guest is not ready');
    return this.#qmp;
  }

  get last(): Tick {
    if (this.#last === undefined) throw new Error('the guest has not ticked');
    return this.#last;
  }

  /** Waits for so many more ticks. Fails if they do not come in time, with the console's last lines. */
  ticks(count: number, seconds = 20): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (error?: Error) => {
        clearTimeout(timer);
        this.#listeners.delete(listener);
        if (error === undefined) resolve();
        else reject(error);
      };
      const said = () => this.#console.slice(-15).join('\n');
      const timer = setTimeout(() => end(new Error(`the guest does not tick:\n${said()}`)), seconds * 1000);
      let left = count;
      const listener = () => {
        if (--left === 0) end();
      };
      this.#listeners.add(listener);
      void this.#ended.then((code) => end(new Error(`the hypervisor ended with ${code}:\n${said()}`)));
    });
  }

  resetLongest(): void {
    this.longestGapUs = 0;
  }

  /** Kibibytes of its own memory, descriptors, mappings. */
  footprint(): { readonly privateKb: number; readonly descriptors: number; readonly mappings: number } {
    const rollup = readFileSync(`/proc/${this.pid}/smaps_rollup`, 'utf8');
    const privateKb = [...rollup.matchAll(/^Private_\w+:\s+(\d+)/gm)].reduce(
      (sum, [, kb]) => sum + Number(kb),
      0,
    );
    return {
      privateKb,
      descriptors: readdirSync(`/proc/${this.pid}/fd`).length,
      mappings: readFileSync(`/proc/${this.pid}/maps`, 'utf8').split('\n').length - 1,
    };
  }

  async stop(): Promise<void> {
    this.#qmp?.close();
    this.#child.kill('SIGKILL');
    await this.#ended;
  }

  #read(line: string): void {
    this.#console.push(line);
    if (this.#console.length > 1000) this.#console.splice(0, 500);
    const found = /^tick (\d+) (\d+) (\d+) (\d+)\r?$/.exec(line);
    if (found === null) return;
    const [number, gapUs, requests, errors] = found.slice(1).map(Number) as [number, number, number, number];
    this.#last = { number, gapUs, requests, errors };
    this.longestGapUs = Math.max(this.longestGapUs, gapUs);
    for (const listener of [...this.#listeners]) listener(this.#last);
  }

  #options({ kernel, initrd, firmware, keymaps }: GuestFiles, disk: string): string[] {
    return [
      ...['-machine', 'pc', '-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '1', '-m', `${RAM_MB}`],
      ...['-nodefaults', '-no-user-config', '-L', '/usr/share/seabios', '-L', firmware, '-L', keymaps],
      ...['-kernel', kernel, '-initrd', initrd, '-append', 'console=ttyS0 quiet loglevel=1 mitigations=off'],
      ...['-serial', 'stdio', '-vga', 'none', '-vnc', `unix:${this.vnc}`],
      ...['-qmp', `unix:${join(this.folder, 'qmp')},server=on,wait=off`],
      ...['-drive', `file=${disk},if=none,id=disk,format=raw,cache=writeback,aio=threads`],
      ...['-device', 'virtio-blk-pci,drive=disk,id=virtio-disk'],
    ];
  }
}

/** True if the file is there and not empty. */
export const isBuilt = (path: string): boolean => existsSync(path) && statSync(path).size > 0;
