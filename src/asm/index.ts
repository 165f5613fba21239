export type * from './difference.ts';
