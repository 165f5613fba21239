/** What in a unit's difference no patch may carry, in words. */
import type { ComposedUnit, OtherDifference, UnitDifference, VariableDifference } from '../asm/index.ts';
import type { Acceptance } from './acceptance.ts';
import type { Refused } from './result.ts';
import type { SourceWords } from './source-words.ts';

export interface Judgement {
  readonly refused: readonly Refused[];
  /** Variables and constants whose old content the user accepts. */
  readonly accepted: readonly VariableDifference[];
}

export function judgeDifference(
  unit: string,
  difference: UnitDifference,
  acceptance: Acceptance,
  words: SourceWords,
): Judgement {
  const accepted: VariableDifference[] = [];
  const refused: Refused[] = [];
  for (const variable of difference.variables) {
    const refusal = refusedVariable(unit, variable, words);
    if (refusal === undefined) continue;
    if (COUNTERS.test(variable.name)) {
      if (!refused.some(({ what }) => what === COUNTED)) refused.push(refusedCounters(unit));
      continue;
    }
    // Another size or place is no matter of content: the new code would write beside the variable.
    if (variable.kind === 'changed-value' && acceptance.data(variable.name)) accepted.push(variable);
    else refused.push(refusal);
  }
  const isCounted = refused.some(({ what }) => what === COUNTED);
  // The constructor that announces the counters changes with them.
  const others = difference.other.filter(({ kind, symbol }) => {
    return !(isCounted && kind === 'constructor' && /^_sub_[ID]_/.test(symbol ?? ''));
  });
  refused.push(...others.map((other) => refusedConstruct(unit, other, words)));
  for (const { kind, name } of difference.functions) {
    if (kind === 'changed' && COROUTINE_BODY.test(name) && !acceptance.layout(name))
      refused.push(refusedCoroutine(unit, name));
  }
  return { refused, accepted };
}

/** How gcc (actor, destroy) and clang (resume, destroy, cleanup) call the parts of a coroutine that run after it began. */
const COROUTINE_BODY = /\.(actor|destroy|resume|cleanup)(\.|$)/;

const refusedCoroutine = (unit: string, name: string): Refused => ({
  unit,
  what: `a coroutine changes (${name}): those that are suspended in running processes have frames and resume points of the old code`,
  where: name,
  remedy: `change what the coroutine calls instead, or accept it with --accept-layout '${name}' if none is ever suspended while the patch is applied`,
});

/** What gcc's -fprofile-arcs and clang's keep for each function: one counter for every arc of its flow. */
const COUNTERS = /^__(gcov|llvm_gcov|llvm_gcda|llvm_internal_gcov)/;
const COUNTED =
  'the unit is compiled with --coverage (-fprofile-arcs), and its counters, which running processes hold, change with every function that does';

const refusedCounters = (unit: string): Refused => ({
  unit,
  what: COUNTED,
  where: unit,
  remedy:
    'patch programs that are built without --coverage (-fprofile-arcs, -fprofile-generate), or restart this one with a new build',
});

/** What it means that the difference is accepted; without a composed unit no function of it is in the patch. */
export function acceptedInWords(
  unit: string,
  { name, patchedName, storage }: VariableDifference,
  composed?: ComposedUnit,
): string {
  if (!isReadOnly(storage)) {
    return `${unit}: accepted: the initial value of ${name} changes; running processes keep the value they have`;
  }
  const isCopied = [name, patchedName].some(
    (each) =>
      each !== undefined &&
      composed?.newVariables.some((added) => added === each || added === `${each}.kpatch`),
  );
  return isCopied
    ? `${unit}: accepted: the constant ${name} changes; only the functions of this patch read the new one`
    : `${unit}: accepted: the constant ${name} changes; running processes keep the old one, for the functions of this patch too`;
}

function refusedConstruct(unit: string, other: OtherDifference, words: SourceWords): Refused {
  return {
    unit,
    what: other.what,
    where: words.of(other),
    remedy: 'leave this part out of the diff, or restart the program with a new build for it',
  };
}

const isReadOnly = (storage: VariableDifference['storage']): boolean =>
  storage === 'rodata' || storage === 'relro';

/** Read-only data that only the patch's code reads comes along as a copy; everything else lives in the process. */
function refusedVariable(
  unit: string,
  variable: VariableDifference,
  words: SourceWords,
): Refused | undefined {
  const { kind, name, storage, privateToChanged } = variable;
  if (kind === 'new' || kind === 'removed') return undefined;
  if (isReadOnly(storage) && privateToChanged) return undefined;
  const where = words.declared(name) ?? name;
  const refused = (what: string, remedy: string): Refused => ({ unit, what, where, remedy });
  if (kind === 'changed-size') {
    return refused(
      `the size or layout of ${name} changes, and running processes hold it as it was`,
      'keep the variable as it is and add a new one beside it',
    );
  }
  if (isReadOnly(storage)) {
    return refused(
      `the constant ${name} changes, and code that the fix does not change reads it too`,
      `give the changed code a constant of its own, or leave the old one to running processes with --accept-data ${name}`,
    );
  }
  if (kind === 'changed-section') {
    return refused(`${name} moves to another kind of storage`, 'keep its declaration as it was');
  }
  return refused(
    `the initial value of ${name} changes, and running processes keep the value they have`,
    `let the fixed code compute or set the value instead, or leave the old one to running processes with --accept-data ${name}`,
  );
}
