/** What applying would do to a process, and whether anything forbids it: the plan, told without being carried out. */
import { SutureError } from '../base/errors.ts';
import { hex } from '../bytes/address.ts';
import type { Patch } from '../patch/patch.ts';
import { type ObjectPlan, type PlanOptions, planApply } from './plan.ts';
import type { ProcessView } from './view.ts';

export interface CheckedObject {
  /** As the process has it mapped. */
  readonly path: string;
  readonly buildId: string;
  /** Of the patch. */
  readonly id: string;
  readonly functions: readonly string[];
  /** Where the patch would be placed: hexadecimal address, and bytes. */
  readonly region: { readonly address: string; readonly size: number };
  /** The entries that would be changed. */
  readonly redirects: readonly { readonly function: string; readonly address: string }[];
  /** What a person should know before it is applied; left out when there is nothing. */
  readonly warnings?: readonly string[];
}

export interface CheckOutcome {
  readonly pid: number;
  readonly exe: string;
  readonly outcome: 'applicable' | 'already' | 'not-applicable' | 'refused';
  readonly objects: readonly CheckedObject[];
  /** Of the refusal, stable. */
  readonly code?: string;
  readonly reason?: string;
  readonly remedy?: string;
}

/** Plans every patch set (patches of one id) for a process. Nothing is touched. */
export function checkProcess(
  process: ProcessView,
  exe: string,
  patches: readonly Patch[],
  options: PlanOptions,
): CheckOutcome {
  const { pid } = process;
  try {
    const plans = patchSets(patches).map((set) => planApply(process, set, options));
    const objects = plans.flatMap((plan) => (plan.kind === 'apply' ? plan.objects.map(checkedObject) : []));
    if (objects.length > 0) return { pid, exe, outcome: 'applicable', objects };
    if (plans.some((plan) => plan.kind === 'already')) return { pid, exe, outcome: 'already', objects };
    const [reason] = plans.flatMap((plan) => (plan.kind === 'not-applicable' ? [plan.reason] : []));
    return { pid, exe, outcome: 'not-applicable', objects, ...(reason === undefined ? {} : { reason }) };
  } catch (error) {
    if (!(error instanceof SutureError) || error.code === 'INTERNAL') throw error;
    const { code, message, remedy } = error;
    return {
      pid,
      exe,
      outcome: 'refused',
      objects: [],
      code,
      reason: [message, ...error.context.map((doing) => `while ${doing}`)].join(', '),
      ...(remedy === undefined ? {} : { remedy }),
    };
  }
}

/** The patches of each id together, in the order in which the ids first come. */
export function patchSets(patches: readonly Patch[]): Patch[][] {
  const sets = new Map<string, Patch[]>();
  for (const patch of patches) {
    const set = sets.get(patch.manifest.id);
    if (set === undefined) sets.set(patch.manifest.id, [patch]);
    else set.push(patch);
  }
  return [...sets.values()];
}

function checkedObject({ patch, object, region, functions, changes, warnings }: ObjectPlan): CheckedObject {
  return {
    path: object.path,
    buildId: object.buildId ?? '',
    id: patch.manifest.id,
    functions: [...functions],
    region: { address: hex(region.start), size: region.layout.size },
    redirects: changes.map(({ name, at }) => ({ function: name, address: hex(at) })),
    ...(warnings.length === 0 ? {} : { warnings: [...warnings] }),
  };
}
