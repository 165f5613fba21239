/** What a build made and why, for a person and for a script. */
import type { BuildResult, BuiltPatch, Refused } from '../build/result.ts';
import { fileName } from './outcome.ts';
import type { Paint } from './paint.ts';
import { counted, shortId } from './quantity.ts';
import { table } from './table.ts';

/** The document of `suture build --json`. */
export function buildDocument(result: BuildResult): BuildResult {
  return {
    patches: result.patches.map(({ file, buildId, object, functions, variables, warnings, units }) => ({
      file,
      buildId,
      object,
      functions: functions.map(({ name, unit, kind, reason }) => ({ name, unit, kind, reason })),
      variables: variables.map(({ name, unit, kind, size }) => ({ name, unit, kind, size })),
      warnings: [...warnings],
      units,
    })),
    refused: result.refused.map((refused) => ({ ...refused })),
    timings: { ...result.timings },
  };
}

export function buildText(result: BuildResult, paint: Paint): string {
  if (result.patches.length === 0 && result.refused.length === 0) {
    return 'no patch: the fix changes no code of any recorded object\n';
  }
  return [
    ...result.patches.map((patch) => builtText(patch, paint)),
    ...result.refused.map((refused) => refusedText(refused, paint)),
    timingsText(result),
  ].join('\n');
}

function builtText(patch: BuiltPatch, paint: Paint): string {
  const rows = patch.functions.map(({ kind, name, unit, reason }) => [
    kind === 'new' ? paint.green(kind) : paint.cyan(kind),
    name,
    unit,
    reason,
  ]);
  const variables = patch.variables
    .filter(({ kind }) => kind === 'new')
    .map(({ name, unit, size }) => [paint.green('new'), name, unit, counted(size, 'byte')]);
  return [
    `${paint.bold(patch.file)}  for ${fileName(patch.object)} (${shortId(patch.buildId)}), from ${counted(patch.units, 'unit')}\n`,
    table(['', 'FUNCTION', 'UNIT', 'WHY'], rows),
    variables.length === 0 ? '' : table(['', 'VARIABLE', 'UNIT', 'SIZE'], variables),
    ...patch.warnings.map((warning) => `${paint.yellow('warning:')} ${warning}\n`),
  ].join('');
}

function refusedText(refused: Refused, paint: Paint): string {
  const where = [refused.where, refused.unit, refused.object].filter((place) => place !== undefined);
  const places = [...new Set(where)].map((place) => `  in ${place}\n`);
  return `${paint.red('refused:')} ${refused.what}\n${places.join('')}  try: ${refused.remedy}\n`;
}

/** "compile 0.41 s, compare 0.02 s". */
function timingsText({ timings }: BuildResult): string {
  const parts = Object.entries(timings).map(([step, ms]) => `${step} ${(ms / 1000).toFixed(2)} s`);
  return parts.length === 0 ? '' : `${parts.join(', ')}\n`;
}
