export type * from './difference.ts';
export { parseUnit } from './parse.ts';
export { AsmUnit } from './unit.ts';
