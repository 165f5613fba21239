/** Opens the object that a patch will most likely be linked against while compilers work, and this process would wait. */
import * as fs from 'node:fs';
import { SutureError } from '../base/errors.ts';
import { type OpenedBase, openBase } from './open-base.ts';
import type { Project, Unit } from './project.ts';

export interface OpenedAhead extends OpenedBase {
  readonly file: string;
}

/**
 * The first linked object that holds one of the units, with its indexes; undefined if none is known or can be opened:
 * linking will say why. One only, because all of its bytes stay in memory meanwhile.
 */
export function openAhead({ linked }: Project, units: readonly Unit[]): OpenedAhead | undefined {
  const holding = linked.find((object) => units.some(({ key }) => object.units.has(key)));
  if (holding === undefined || !fs.existsSync(holding.output)) return undefined;
  try {
    const opened = openBase(holding.output, { rebuilt: [] });
    opened.base.prepare();
    return { ...opened, file: holding.output };
  } catch (error) {
    if (error instanceof SutureError) return undefined;
    throw error;
  }
}
