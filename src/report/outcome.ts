/** How processes fared under apply and revert, for a person and for a script. */
import type { ProcessOutcome } from '../apply/outcome.ts';
import type { Paint } from './paint.ts';
import { counted, duration, listed } from './quantity.ts';
import { table } from './table.ts';

export interface OutcomesDocument {
  readonly processes: readonly ProcessOutcome[];
}

/** The document of `suture apply --json` and `suture revert --json`. */
export function outcomesDocument(outcomes: readonly ProcessOutcome[]): OutcomesDocument {
  return {
    processes: outcomes.map((one) => ({
      pid: one.pid,
      exe: one.exe,
      outcome: one.outcome,
      objects: one.objects.map(({ path, buildId, id, functions }) => ({
        path,
        buildId,
        id,
        functions: [...functions],
      })),
      stopMicroseconds: one.stopMicroseconds,
      attempts: one.attempts,
      ...(one.reason === undefined ? {} : { reason: one.reason }),
      ...(one.remedy === undefined ? {} : { remedy: one.remedy }),
      ...(one.blockers === undefined ? {} : { blockers: one.blockers }),
      ...(one.notes === undefined ? {} : { notes: [...one.notes] }),
    })),
  };
}

/** One row for each process and object, then the reasons of those that were not done, then the totals. */
export function outcomesText(outcomes: readonly ProcessOutcome[], paint: Paint): string {
  if (outcomes.length === 0) return 'no process has an object that this concerns\n';
  const rows = outcomes.flatMap((one) => outcomeRows(one, paint));
  return [
    table(['OUTCOME', 'PID', 'PROGRAM', 'PATCH', 'OBJECT', 'FUNCTIONS', 'STOPPED FOR'], rows),
    ...outcomes.filter((one) => one.reason !== undefined || one.blockers !== undefined).map(reasonText),
    ...outcomes.flatMap(notesOf),
    outcomes.length > 1 ? `${totals(outcomes)}\n` : '',
  ].join('');
}

function outcomeRows(one: ProcessOutcome, paint: Paint): string[][] {
  const word = outcomeWord(one, paint);
  const stop = stopText(one);
  const { pid, exe, objects } = one;
  if (objects.length === 0) return [[word, String(pid), fileName(exe), '', '', '', stop]];
  return objects.map((object, i) => [
    i === 0 ? word : '',
    i === 0 ? String(pid) : '',
    i === 0 ? fileName(exe) : '',
    object.id,
    fileName(object.path),
    listed(object.functions),
    i === 0 ? stop : '',
  ]);
}

const OUTCOME_COLOUR = {
  applied: 'green',
  reverted: 'green',
  already: 'yellow',
  'not-applicable': 'yellow',
  undone: 'yellow',
  busy: 'red',
  refused: 'red',
  failed: 'red',
  gone: 'yellow',
} as const satisfies Record<ProcessOutcome['outcome'], 'green' | 'yellow' | 'red'>;

export const outcomeWord = (one: Pick<ProcessOutcome, 'outcome'>, paint: Paint): string =>
  paint[OUTCOME_COLOUR[one.outcome]](one.outcome.replace('-', ' '));

/** "412 µs", and in how many attempts when the first one was not the last. */
function stopText(one: ProcessOutcome): string {
  if (one.stopMicroseconds === 0) return '';
  const tries = one.attempts > 1 ? `, ${counted(one.attempts, 'attempt')}` : '';
  return `${duration(one.stopMicroseconds)}${tries}`;
}

function reasonText(one: ProcessOutcome): string {
  const lines = [`pid ${one.pid}: ${one.reason ?? one.outcome}`];
  for (const { tid, comm, frames, why } of one.blockers ?? []) {
    lines.push(tid === 0 ? `  ${why}` : `  thread ${tid} (${comm}): ${why}`);
    lines.push(...frames.map((frame, depth) => `    #${depth} ${frame}`));
  }
  if (one.remedy !== undefined) lines.push(`  try: ${one.remedy}`);
  return `${lines.join('\n')}\n`;
}

/** What else was done, unless the reason says it. */
function notesOf({ pid, notes, reason }: ProcessOutcome): string[] {
  const unsaid = (notes ?? []).filter((note) => reason?.includes(note) !== true);
  return unsaid.map((note) => `pid ${pid}: ${note}\n`);
}

/** "2 applied, 1 busy". */
function totals(outcomes: readonly ProcessOutcome[]): string {
  const counts = new Map<string, number>();
  for (const { outcome } of outcomes) counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
  return [...counts].map(([outcome, count]) => `${count} ${outcome.replace('-', ' ')}`).join(', ');
}

export const fileName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);
