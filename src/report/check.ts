/** What applying would do, for a person and for a script: `suture check`. */
import type { CheckOutcome } from '../apply/check.ts';
import { fileName } from './outcome.ts';
import type { Paint } from './paint.ts';
import { listed, size } from './quantity.ts';
import { table } from './table.ts';

/** The document of `suture check --json`. */
export const checkDocument = (
  outcomes: readonly CheckOutcome[],
): { readonly processes: readonly CheckOutcome[] } => ({ processes: outcomes });

const COLOUR = {
  applicable: 'green',
  already: 'yellow',
  'not-applicable': 'yellow',
  refused: 'red',
} as const satisfies Record<CheckOutcome['outcome'], 'green' | 'yellow' | 'red'>;

/** One row for each process and object, then the reasons of those that cannot be patched. */
export function checkText(outcomes: readonly CheckOutcome[], paint: Paint): string {
  if (outcomes.length === 0) return 'no process has an object that this concerns\n';
  const rows = outcomes.flatMap((one) => checkRows(one, paint));
  const reasons = outcomes
    .filter((one) => one.reason !== undefined)
    .map(
      ({ pid, reason, remedy }) =>
        `pid ${pid}: ${reason}\n${remedy === undefined ? '' : `  try: ${remedy}\n`}`,
    );
  const warnings = outcomes.flatMap(({ pid, objects }) =>
    objects.flatMap((object) =>
      (object.warnings ?? []).map((warning) => `${paint.yellow('warning:')} pid ${pid}: ${warning}\n`),
    ),
  );
  return [
    table(['CHECK', 'PID', 'PROGRAM', 'PATCH', 'OBJECT', 'FUNCTIONS', 'PLACE'], rows),
    ...warnings,
    ...reasons,
  ].join('');
}

function checkRows(one: CheckOutcome, paint: Paint): string[][] {
  const word = paint[COLOUR[one.outcome]](one.outcome.replace('-', ' '));
  const process = [word, String(one.pid), fileName(one.exe)];
  if (one.objects.length === 0) return [[...process, '', '', '', '']];
  return one.objects.map((object, i) => [
    ...(i === 0 ? process : ['', '', '']),
    object.id,
    fileName(object.path),
    listed(object.functions),
    `${size(object.region.size)} at ${object.region.address}`,
  ]);
}
