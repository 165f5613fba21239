/** A hypervisor whose main loop goes round inside the function that is to change: refused in time, unharmed. */
import { processes, suture } from '../programs/harness.ts';
import type { Expectations } from './expectations.ts';
import type { Guest } from './guest.ts';
import { madeUpFix } from './made-up-fix.ts';

const ID = 'sum-limit';
const FUNCTION = 'hmp_sum';
const TIMEOUT_S = 2;

export async function hungMainLoop(
  guest: Guest,
  tree: string,
  folder: string,
  { expect, line, change }: Expectations,
): Promise<void> {
  console.log('\nthe main loop hangs in the function that is to change');
  const out = await madeUpFix(tree, folder, {
    id: ID,
    file: 'monitor/misc.c',
    from: '    sum = 0;\n    for(addr = start; addr < (start + size); addr++) {',
    to: '    sum = 1;\n    for(addr = start; addr < (start + size); addr++) {',
  });
  const small = 'sum 0 0';
  expect(String(await guest.qmp.human(small)).trim() === '00000', ID, 'before, the sum of nothing is 0');
  const hang = guest.qmp.human('sum 0 0x10000000');
  let hasEnded = false;
  const ended = hang.then(() => {
    hasEnded = true;
  });
  const start = performance.now();
  const refused = await suture([
    'apply',
    '--pid',
    `${guest.pid}`,
    '--timeout',
    `${TIMEOUT_S}`,
    '--json',
    out,
  ]);
  const seconds = (performance.now() - start) / 1000;
  const [report] = processes(refused);
  line('hung', `exit ${refused.code} after ${seconds.toFixed(1)} s: ${report?.reason}`);
  for (const { comm, frames } of report?.blockers ?? []) line(`  ${comm}`, frames.slice(0, 4).join(' < '));
  expect(!hasEnded, ID, 'it hangs as long as that takes');
  expect(refused.code === 4, ID, `refused with 4, not ${refused.code}`);
  expect(seconds < TIMEOUT_S + 3, ID, `in time: ${seconds.toFixed(1)} s`);
  expect(
    report?.blockers?.some(({ frames }) => frames.some((frame) => frame.includes(FUNCTION))) ?? false,
    ID,
    `the reason names ${FUNCTION}`,
  );
  await ended;
  await guest.ticks(5);
  await change(guest, ID, 'applied', ['apply', '--pid', `${guest.pid}`, '--json', out]);
  expect(String(await guest.qmp.human(small)).trim() === '00001', ID, 'applied, it is 1');
  await change(guest, ID, 'reverted', ['revert', '--pid', `${guest.pid}`, '--id', ID, '--json']);
  expect(guest.last.errors === 0, ID, `no I/O error in the guest, not ${guest.last.errors}`);
}
