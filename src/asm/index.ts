export { functionsSeenBy, type SelectionResult, selectFunctions } from './closure.ts';
export { compareUnits } from './compare.ts';
export { composeUnit } from './compose.ts';
export type * from './difference.ts';
export { parseUnit } from './parse.ts';
export { AsmUnit } from './unit.ts';
