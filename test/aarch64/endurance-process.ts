/**
 * Runs inside of the emulated machine what test/endurance does on this one, with programs that were compiled outside.
 * Its argument is the request as JSON; the last line that it prints are the totals.
 */
import { type CycleOptions, runCycles } from '../endurance/cycles.ts';
import { type KillOptions, runKills } from '../endurance/kills.ts';

export type EnduranceRequest =
  | { readonly kind: 'cycles'; readonly options: CycleOptions }
  | { readonly kind: 'kills'; readonly options: Omit<KillOptions, 'report'> };

const request = JSON.parse(process.argv[2] ?? '') as EnduranceRequest;
const totals = request.kind === 'cycles' ? await runCycles(request.options) : await runKills(request.options);
console.log(JSON.stringify(totals));
