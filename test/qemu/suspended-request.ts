/**
 * A fix to a function of the block layer in which a coroutine waits: refused with the coroutine named, and in as soon as
 * the request is done.
 */
import { processes, suture } from '../programs/harness.ts';
import type { Expectations } from './expectations.ts';
import type { Guest } from './guest.ts';
import { madeUpFix } from './made-up-fix.ts';

const FUNCTION = 'throttle_group_co_io_limits_intercept';
const ID = 'throttle-check';

export async function suspendedRequest(
  guest: Guest,
  tree: string,
  folder: string,
  { expect, line, change }: Expectations,
): Promise<void> {
  console.log('\na coroutine waits in the function that is to change');
  const out = await madeUpFix(tree, folder, {
    id: ID,
    file: 'block/throttle-groups.c',
    from: '    assert(bytes >= 0);\n\n    qemu_mutex_lock(&tg->lock);\n\n    /* First we check if this I/O has to be throttled. */',
    to: '    assert(bytes >= 0 && bytes < (1ll << 40));\n\n    qemu_mutex_lock(&tg->lock);\n\n    /* First we check if this I/O has to be throttled. */',
  });
  await throttle(guest, 1);
  await guest.ticks(5);
  const refused = await suture(['apply', '--pid', `${guest.pid}`, '--timeout', '2', '--json', out]);
  const [report] = processes(refused);
  const frames = report?.blockers?.flatMap((blocker) => blocker.frames) ?? [];
  line('throttled', `exit ${refused.code}: ${report?.reason}`);
  for (const { comm, frames: names } of report?.blockers ?? []) line(`  ${comm}`, names.join(' < '));
  expect(refused.code === 4, ID, `refused with 4, not ${refused.code}`);
  expect(
    frames.some((frame) => frame.includes(FUNCTION)),
    ID,
    `the coroutine's frames name ${FUNCTION}`,
  );
  await throttle(guest, 0);
  await guest.ticks(5);
  await change(guest, ID, 'applied', ['apply', '--pid', `${guest.pid}`, '--json', out]);
  await throttle(guest, 1000);
  await guest.ticks(5);
  await throttle(guest, 0);
  await change(guest, ID, 'reverted', ['revert', '--pid', `${guest.pid}`, '--id', ID, '--json']);
  expect(guest.last.errors === 0, ID, `no I/O error in the guest, not ${guest.last.errors}`);
}

/** Requests of the guest's disk in a second; 0: as many as it likes. */
async function throttle({ qmp }: Guest, iops: number): Promise<void> {
  const others = { bps: 0, bps_rd: 0, bps_wr: 0, iops_rd: 0, iops_wr: 0 };
  await qmp.must('block_set_io_throttle', { device: 'disk', iops, ...others });
}
