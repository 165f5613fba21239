/** Links the composed units of one fix into one patch for one base. */
import { MANIFEST_FORMAT, type Manifest } from '../patch/manifest.ts';
import type { Base } from './base.ts';
import { ChangedFunctions } from './changed-functions.ts';
import { Definitions } from './definitions.ts';
import { Description } from './description.ts';
import type { LinkRequest, LinkResult, LinkUnit } from './link-request.ts';
import { linkSections } from './link-sections.ts';
import { mergeSections } from './merge.ts';
import { References } from './references.ts';
import { Refusals } from './refusal.ts';
import { UnitPlacement } from './unit-placement.ts';

/**
 * Everything that the patch needs of the base is found here; what it imports is found when it is applied.
 * @throws SutureError BAD_FORMAT when an object file or the base is damaged
 */
export function linkPatch(request: LinkRequest): LinkResult {
  const { base, units, earlier } = request;
  const refusals = new Refusals();
  const placements = units.map(({ originalObject }) => UnitPlacement.find(base, originalObject));
  const merged = mergeSections(units, (refusal) => refusals.add(refusal));
  refuseContradictions(base, units, placements, refusals);
  const changed = new ChangedFunctions(base, units, placements, refusals);
  const definitions = new Definitions(units, merged, changed, refusals);
  const references = new References(request, placements, merged, definitions, refusals);
  const sections = linkSections(request, references);
  const description = new Description(request, changed, references);
  const functions = description.functions();
  if (functions.every(({ original }) => original === undefined) && refusals.found.length === 0) {
    refusals.add({
      unit: undefined,
      what: `none of the changed functions is in ${base.name}`,
      remedy: 'the fix changes nothing in this object; restart is not needed for it',
    });
  }
  if (refusals.found.length > 0) return { kind: 'refused', refusals: refusals.found };
  const { symbols, imports } = references.table;
  const warnings = [...(request.warnings ?? []), ...description.warnings];
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    id: request.id,
    description: request.description,
    cpu: base.arch.name,
    target: { buildId: base.buildId, file: request.file, type: base.type },
    functions,
    variables: description.variables(),
    imports,
    requires: (earlier?.manifests ?? []).map(({ id }) => id),
    ...seenFunctions(units),
    compiler: request.compiler,
    warnings,
    ...(request.builtAt === undefined ? {} : { builtAt: request.builtAt }),
  };
  const contents = { manifest, arch: base.arch, sections, symbols, baseSections: base.sections };
  return { kind: 'linked', contents, warnings };
}

/** More names than this say no more than "any of the unit". */
const MANY_FUNCTIONS = 500;

function seenFunctions(units: readonly LinkUnit[]): Pick<Manifest, 'sees'> {
  const sees = units.flatMap(({ name, sees: functions = [] }) => {
    if (functions.length === 0) return [];
    return [{ unit: name, functions: functions.length > MANY_FUNCTIONS ? ['*'] : [...new Set(functions)] }];
  });
  return sees.length === 0 ? {} : { sees };
}

/** The base must have been linked from what the units compile to. */
function refuseContradictions(
  base: Base,
  units: readonly LinkUnit[],
  placements: readonly UnitPlacement[],
  refusals: Refusals,
): void {
  units.forEach(({ name }, i) => {
    const contradiction = placements[i]!.contradictions[0];
    if (contradiction === undefined) return;
    refusals.add({
      unit: name,
      what: `${base.name} was not linked from what ${name} compiles to: ${contradiction.section} would lie at two places, by ${contradiction.because}`,
      remedy: 'build the base again from the recorded source with the recorded flags, and record that build',
    });
  });
}
