/**
 * All processes or none. There is no one instant at which several processes change; so all are planned before the
 * first is touched, and when one cannot be done after all, those that were are taken back.
 */
import type { Outcome, ProcessOutcome } from './outcome.ts';

/** One process under an apply to all or none. */
export interface Participant {
  /** Why it cannot be done, found without touching the process; undefined if nothing is known that forbids it. */
  readonly objection: ProcessOutcome | undefined;
  /** One outcome for each patch set. */
  apply(): readonly ProcessOutcome[];
  /** Takes back the patches of these ids. */
  takeBack(ids: readonly string[]): ProcessOutcome;
  /** An outcome of nothing done, with the reason. */
  untouched(reason: string): ProcessOutcome;
}

/** A process that ended needs no patch: it keeps nobody from being patched. */
const HINDRANCES: readonly Outcome[] = ['busy', 'refused', 'failed'];
const hinders = ({ outcome }: ProcessOutcome): boolean => HINDRANCES.includes(outcome);

/** Outcomes of all participants, in their order. */
export function applyTogether(participants: readonly Participant[]): ProcessOutcome[] {
  const objecting = participants.find(({ objection }) => objection !== undefined)?.objection;
  if (objecting !== undefined) {
    const reason = `nothing was done, because process ${objecting.pid} (${objecting.exe}) cannot be patched`;
    return participants.map((participant) => participant.objection ?? participant.untouched(reason));
  }

  const outcomes: ProcessOutcome[][] = [];
  for (const participant of participants) {
    const own = [...participant.apply()];
    outcomes.push(own);
    const hindrance = own.find(hinders);
    if (hindrance === undefined) continue;
    return [
      ...participants
        .slice(0, outcomes.length)
        .flatMap((earlier, i) => taken(earlier, outcomes[i] ?? [], hindrance)),
      ...participants
        .slice(outcomes.length)
        .map((later) => later.untouched(`it was not tried, ${becauseOf(hindrance)}`)),
    ];
  }
  return outcomes.flat();
}

const becauseOf = ({ pid, exe, outcome }: ProcessOutcome): string =>
  `because process ${pid} (${exe}) could not be patched (${outcome})`;

/** What is said of a process that was tried, once what was applied to it is taken back. */
function taken(
  participant: Participant,
  outcomes: readonly ProcessOutcome[],
  hindrance: ProcessOutcome,
): ProcessOutcome[] {
  const applied = outcomes.filter(({ outcome }) => outcome === 'applied');
  if (applied.length === 0) return [...outcomes];
  const back = participant.takeBack(applied.flatMap(({ objects }) => objects.map(({ id }) => id)));
  const stopMicroseconds = Math.max(back.stopMicroseconds, ...applied.map((one) => one.stopMicroseconds));
  return outcomes.map((one): ProcessOutcome => {
    if (one.outcome !== 'applied') return one;
    const notes = [...(one.notes ?? []), ...(back.notes ?? [])];
    const details = { stopMicroseconds, ...(notes.length === 0 ? {} : { notes }) };
    if (back.outcome === 'reverted') {
      return { ...one, ...details, outcome: 'undone', reason: `it was taken back, ${becauseOf(hindrance)}` };
    }
    if (back.outcome === 'gone')
      return { ...one, ...details, outcome: 'gone', reason: back.reason ?? 'it ended' };
    const why = back.reason ?? back.outcome;
    return {
      ...one,
      ...details,
      reason: `it stays patched although process ${hindrance.pid} is not: it could not be taken back (${why})`,
      remedy: `suture revert --pid ${one.pid} ${applied.flatMap(({ objects }) => objects.map(({ id }) => `--id ${id}`)).join(' ')}`,
      ...(back.blockers === undefined ? {} : { blockers: back.blockers }),
    };
  });
}
