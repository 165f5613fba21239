/** What in a unit's difference no patch may carry, in words. */
import type { OtherDifference, UnitDifference, VariableDifference } from '../asm/index.ts';
import type { Refused } from './result.ts';

export function refusalsOf(unit: string, difference: UnitDifference): Refused[] {
  return [
    ...difference.variables.flatMap((variable) => refusedVariable(unit, variable) ?? []),
    ...difference.other.map((other) => refusedConstruct(unit, other)),
  ];
}

function refusedConstruct(unit: string, { what, line }: OtherDifference): Refused {
  return {
    unit,
    what,
    where: `${unit}:${line}`,
    remedy: 'leave this part out of the diff, or restart the program with a new build for it',
  };
}

/** Read-only data that only the patch's code reads comes along as a copy; everything else lives in the process. */
function refusedVariable(unit: string, variable: VariableDifference): Refused | undefined {
  const { kind, name, storage, privateToChanged } = variable;
  if (kind === 'new' || kind === 'removed') return undefined;
  const readOnly = storage === 'rodata' || storage === 'relro';
  if (readOnly && privateToChanged) return undefined;
  const refused = (what: string, remedy: string): Refused => ({ unit, what, where: name, remedy });
  if (kind === 'changed-size') {
    return refused(
      `the size or layout of ${name} changes, and running processes hold it as it was`,
      'keep the variable as it is and add a new one beside it',
    );
  }
  if (readOnly) {
    return refused(
      `the constant ${name} changes, and code that the fix does not change reads it too`,
      'give the changed code a constant of its own',
    );
  }
  if (kind === 'changed-section') {
    return refused(`${name} moves to another kind of storage`, 'keep its declaration as it was');
  }
  return refused(
    `the initial value of ${name} changes, and running processes keep the value they have`,
    'let the fixed code compute or set the value instead',
  );
}
