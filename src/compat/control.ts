/** What LibcarePlus's `patch`, `unpatch` and `info` do, with its lines, by suture's engine. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { applyPatches, revertRegions, statusOf } from '../apply/engine.ts';
import type { ProcessOutcome } from '../apply/outcome.ts';
import type { PatchedObject } from '../apply/status.ts';
import { type ErrorCode, SutureError } from '../base/errors.ts';
import type { Remote } from '../bytes/address.ts';
import { Target } from '../process/target.ts';
import { descriptionOf, type PatchStore } from './patch-store.ts';
import { failureOf, labelled, type Voice } from './voice.ts';

export type Processes = 'all' | readonly number[];

/** Every process with a program, but the first one and this one. */
function everyPid(): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => pid !== 1 && pid !== process.pid && hasProgram(pid))
    .sort((a, b) => a - b);
}

function hasProgram(pid: number): boolean {
  try {
    return readlinkSync(`/proc/${pid}/exe`) !== '';
  } catch {
    return false;
  }
}

/** What befalls processes that nobody named. */
const UNFIT: readonly ErrorCode[] = ['NO_PROCESS', 'PROCESS_GONE', 'NO_PERMISSION', 'PROCESS_UNFIT'];

/** Does the work on each process; false if it failed for one. Of all processes, those that cannot be looked at do not count. */
function onEach(
  processes: Processes,
  voice: Voice,
  failed: (pid: number) => string,
  work: (target: Target) => boolean,
): boolean {
  let isWell = true;
  for (const pid of processes === 'all' ? everyPid() : processes) {
    let target: Target | undefined;
    try {
      target = Target.open(pid);
      if (!work(target)) isWell = false;
    } catch (error) {
      if (processes === 'all' && error instanceof SutureError && UNFIT.includes(error.code)) continue;
      voice.err(`${failed(pid)}\n${failureOf(error)}`);
      isWell = false;
    } finally {
      target?.close();
    }
  }
  return isWell;
}

function announce({ pid }: Target, voice: Voice): void {
  const cmdline = readFileSync(`/proc/${pid}/cmdline`, 'latin1').replace(/\0$/, '').replaceAll('\0', '\\x00');
  voice.out(`kpatch_ctl targeting pid ${pid}\nkpatch_ctl cmdline="${cmdline}"\n`);
}

/** Applies what the store has for each process. False if that failed for one. */
export function patchProcesses(processes: Processes, store: PatchStore, voice: Voice): boolean {
  const failed = (): string => `Failed to apply patch '${store.path}'`;
  return onEach(processes, voice, failed, (target) => {
    const patches = store.patchesFor(target.modules().map(({ buildId }) => buildId ?? ''));
    announce(target, voice);
    if (patches.length === 0) {
      voice.out(`No patch(es) applicable to PID '${target.pid}' have been found\n`);
      return true;
    }
    store.runScript('before', target.pid);
    const outcomes = applyPatches([target], patches);
    for (const outcome of outcomes) sayStop(outcome, voice);
    const bad = outcomes.filter(({ outcome }) => outcome !== 'applied');
    const hunks = hunksOf(outcomes.filter(({ outcome }) => outcome === 'applied'));
    if (hunks > 0)
      voice.out(`${hunks} patch hunk(s) have been successfully applied to PID '${target.pid}'\n`);
    for (const outcome of bad) voice.err(`${failed()}\n${reasonOf(outcome)}`);
    if (hunks > 0) store.runScript('after', target.pid);
    return bad.length === 0;
  });
}

const hunksOf = (outcomes: readonly ProcessOutcome[]): number =>
  outcomes.flatMap(({ objects }) => objects.flatMap(({ functions }) => functions)).length;

function sayStop({ pid, stopMicroseconds, attempts }: ProcessOutcome, voice: Voice): void {
  if (attempts > 0) voice.out(`PID '${pid}' process patch frozen_time is ${stopMicroseconds} microsecond\n`);
}

function reasonOf({ pid, outcome, reason, remedy, blockers }: ProcessOutcome): string {
  const inTheWay = (blockers ?? []).map(
    ({ tid, comm, frames }) => `  thread ${tid} (${comm}): ${frames.join(' < ')}\n`,
  );
  return `PID '${pid}': ${outcome}: ${reason ?? 'no reason is known'}\n${inTheWay.join('')}${remedy === undefined ? '' : `  try: ${remedy}\n`}`;
}

export interface UnpatchRequest {
  readonly id: string;
  /** Build ids, or names of files; none: all objects. */
  readonly objects: readonly string[];
}

/** Takes a patch back. False if that failed for a process, or if one that was named has no such patch. */
export function unpatchProcesses(
  processes: Processes,
  { id, objects }: UnpatchRequest,
  voice: Voice,
): boolean {
  const failed = (pid: number): string => `Failed to cancel patches for ${pid}`;
  return onEach(processes, voice, failed, (target) => {
    const isMeant = ({ path, buildId }: PatchedObject): boolean =>
      objects.length === 0 || objects.some((name) => [buildId, path, basename(path)].includes(name));
    const patched = statusOf(target).filter(isMeant);
    const regions = patched.flatMap(({ patches }) => patches.filter((patch) => patch.id === id));
    if (processes === 'all' && regions.length === 0) return true;
    announce(target, voice);
    if (regions.length === 0) {
      if (patched.length > 0) voice.err(`Failed to find target patch with patch_id=${id}!\n`);
      voice.out(`No patch(es) cancellable from PID '${target.pid}' were found\n`);
      return patched.length === 0;
    }
    const starts = new Set<Remote>(regions.map(({ region }) => region.start));
    const outcome = revertRegions(target, starts, id);
    sayStop(outcome, voice);
    if (outcome.outcome !== 'reverted') {
      voice.err(`${failed(target.pid)}\n${reasonOf(outcome)}`);
      return false;
    }
    voice.out(`${hunksOf([outcome])} patch hunk(s) were successfully cancelled from PID '${target.pid}'\n`);
    return true;
  });
}

/** Lists patches; nothing is stopped. `verbose` adds what their own tool does not tell. */
export function showProcesses(processes: Processes, verbose: boolean, voice: Voice, store?: string): boolean {
  const failed = (pid: number): string => `Failed to read the patches of ${pid}`;
  return onEach(processes, voice, failed, (target) => {
    for (const { path, buildId, patches } of statusOf(target)) {
      voice.out(
        [
          labelled('Pid:', target.pid),
          labelled('Target:', basename(path)),
          labelled('Build id:', buildId),
          labelled('Applied patch number:', patches.length),
          ...patches.flatMap(({ id, standing, functions, level }) => {
            const said =
              store === undefined || level === 0 ? undefined : descriptionOf(store, buildId, level);
            return [
              labelled('Patch id:', id),
              ...(verbose
                ? [
                    labelled('  Standing:', standing),
                    labelled('  Functions:', functions.map(({ name }) => name).join(', ')),
                  ]
                : []),
              ...(verbose && level > 0
                ? [labelled('  Level:', said === undefined ? level : `${level}, ${said}`)]
                : []),
            ];
          }),
          '\n',
        ].join(''),
      );
    }
    return true;
  });
}
