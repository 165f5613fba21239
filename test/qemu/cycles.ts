/** Many times there and back under the guest's load: nothing fails, nothing grows. */
import { suture } from '../programs/harness.ts';
import type { Expectations } from './expectations.ts';
import type { Guest } from './guest.ts';

/** The first cycles fill caches and pools of the hypervisor and of the C library. */
const WARM = 5;
/** Kibibytes by which the hypervisor's own memory may differ, for its guest works meanwhile. */
const TOLERANCE_KB = 4096;
/** Mappings by which it may: its workers come and go, each with a stack and an arena. What a patch left behind would be one per cycle. */
const TOLERANCE_MAPPINGS = 24;

export async function cycles(
  guest: Guest,
  out: string,
  id: string,
  count: number,
  { expect, line }: Expectations,
): Promise<void> {
  console.log(`\n${count} times there and back`);
  guest.resetLongest();
  guest.qmp.resetLongest();
  const start = performance.now();
  let before = guest.footprint();
  for (let cycle = 0; cycle < count; cycle++) {
    if (cycle === WARM) before = guest.footprint();
    for (const words of [
      ['apply', '--pid', `${guest.pid}`, out],
      ['revert', '--pid', `${guest.pid}`, '--id', id],
    ]) {
      const { code, stdout, stderr } = await suture(words);
      expect(
        code === 0,
        'cycles',
        `cycle ${cycle}: ${words[0]} ends with 0, not ${code}: ${stdout}${stderr}`,
      );
    }
  }
  const after = guest.footprint();
  const seconds = (performance.now() - start) / 1000;
  await guest.ticks(2);
  line('cycles', `${count} in ${seconds.toFixed(0)} s, ${guest.last.errors} I/O errors in the guest`);
  line(
    'largest gap',
    `${guest.longestGapUs} µs in the guest, longest of ${guest.qmp.answers} QMP answers ${guest.qmp.longestMs.toFixed(1)} ms`,
  );
  line(
    'growth',
    `${after.privateKb - before.privateKb} KiB, ${after.descriptors - before.descriptors} descriptors, ${after.mappings - before.mappings} mappings`,
  );
  expect(guest.last.errors === 0, 'cycles', `no I/O error in the guest, not ${guest.last.errors}`);
  expect(after.descriptors <= before.descriptors, 'cycles', 'no descriptor more');
  expect(
    after.mappings - before.mappings <= Math.min(TOLERANCE_MAPPINGS, count / 4),
    'cycles',
    `mappings do not grow with the cycles, as ${after.mappings - before.mappings} do`,
  );
  expect(after.privateKb - before.privateKb < TOLERANCE_KB, 'cycles', `less than ${TOLERANCE_KB} KiB more`);
}
