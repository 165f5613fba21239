/** Fixes out of the stable releases of QEMU 7.2 that came after the base, each with a way to see from outside whether it is in. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { imageWithDataFile } from './qcow2.ts';
import type { Qmp } from './qmp.ts';
import { Rfb } from './rfb.ts';

/** What a probe may use of the running hypervisor. */
export interface Hypervisor {
  readonly qmp: Qmp;
  /** Socket of its VNC server. */
  readonly vnc: string;
  /** Folder of the test's own. */
  readonly folder: string;
}

export interface QemuFix {
  readonly id: string;
  readonly about: string;
  /** The stable release's diff in debian/patches, and the files of it that are this fix. */
  readonly release: string;
  readonly files: readonly string[];
  /** Functions that the fix changes: they, or those into which they were inlined, are in the patch. */
  readonly functions: readonly string[];
  probe(hypervisor: Hypervisor): Promise<'open' | 'closed'>;
}

const APIC = '0xfee00000';
const FAR = 2 ** 40;

export const FIXES: readonly QemuFix[] = [
  {
    id: 'gpa2hva-message',
    about: 'a blank is missing in an error message (a string and nothing else)',
    release: 'v7.2.11.diff',
    files: ['monitor/misc.c'],
    functions: ['gpa2hva'],
    async probe({ qmp }) {
      const said = String(await qmp.human(`gpa2hva ${APIC}`));
      if (said.includes(`${APIC}is not RAM`)) return 'open';
      if (said.includes(`${APIC} is not RAM`)) return 'closed';
      throw new Error(`gpa2hva says ${JSON.stringify(said)}`);
    },
  },
  {
    id: 'raw-offset-message',
    about:
      'a refused disk image is described with the numbers of another (a static function with two callers)',
    release: 'v7.2.15.diff',
    files: ['block/raw-format.c'],
    functions: ['raw_apply_options'],
    async probe({ qmp }) {
      const answer = await qmp.ask('blockdev-add', {
        driver: 'raw',
        'node-name': 'probe',
        offset: FAR,
        file: { driver: 'null-co', size: 65536 },
      });
      const said = 'error' in answer ? answer.error.desc : 'accepted';
      if (said.startsWith('Offset (0) cannot')) return 'open';
      if (said.startsWith(`Offset (${FAR}) cannot`)) return 'closed';
      throw new Error(`blockdev-add says ${said}`);
    },
  },
  {
    id: 'CVE-2023-6683',
    about:
      'a VNC client speaks of a clipboard that it does not have, and the server follows it (into NULL, later)',
    release: 'v7.2.10.diff',
    files: ['ui/clipboard.c', 'ui/vnc.c'],
    functions: [
      'protocol_client_msg',
      'qemu_clipboard_set_data',
      'qemu_clipboard_update',
      'qemu_clipboard_request',
    ],
    async probe({ vnc }) {
      const client = await Rfb.open(vnc);
      try {
        client.sendUnofferedClipboard();
        return (await client.isServed()) ? 'open' : 'closed';
      } finally {
        client.close();
      }
    },
  },
  {
    id: 'CVE-2024-4467',
    about:
      'a disk image names a data file, and the hypervisor opens whatever it names (functions with callers and inlined ones)',
    release: 'v7.2.13.diff',
    files: ['block.c', 'block/qcow2.c'],
    functions: ['bdrv_open_inherit', 'qcow2_do_open'],
    async probe({ qmp, folder }) {
      const filename = join(folder, 'probe.qcow2');
      writeFileSync(filename, imageWithDataFile('json:{"driver":"null-co","size":1048576}'));
      const answer = await qmp.ask('blockdev-add', {
        driver: 'qcow2',
        'node-name': 'probe',
        'read-only': true,
        file: { driver: 'file', filename },
      });
      if ('return' in answer) {
        await qmp.must('blockdev-del', { 'node-name': 'probe' });
        return 'open';
      }
      if (/Could not open 'json:/.test(answer.error.desc)) return 'closed';
      throw new Error(`blockdev-add says ${answer.error.desc}`);
    },
  },
];

/** The parts of a diff that are about the given files, in the diff's order. */
export function sectionsOf(diff: string, files: readonly string[]): string {
  const sections = diff.split(/^(?=diff --git )/m);
  const chosen = sections.filter((section) =>
    files.some((file) => section.startsWith(`diff --git a/${file} `)),
  );
  if (chosen.length !== files.length)
    throw new Error(`${chosen.length} of ${files.join(', ')} are in the diff`);
  return chosen.join('');
}
