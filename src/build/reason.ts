import type { Reason } from '../asm/difference.ts';

/** Why a function is in the patch, as one sentence for manifest and reports. */
export function reasonSentence(reasons: readonly Reason[]): string {
  const parts = [...new Set(reasons.map(phrase))];
  return parts.length === 0 ? 'selected' : parts.join('; ');
}

function phrase(reason: Reason): string {
  switch (reason.kind) {
    case 'code':
      return 'its code differs';
    case 'data':
      return `its data ${oneLine(reason.symbol)} differs`;
    case 'exceptions':
      return 'its exception table differs';
    case 'reference':
      return `it refers to ${oneLine(reason.patched)} instead of ${oneLine(reason.original)}`;
    case 'clone':
      return `the compiler made it from ${oneLine(reason.of)}, which changed`;
    case 'new':
      return 'it is new';
    case 'removed':
      return 'it is gone';
    case 'neighbour':
      return `it was compiled together with ${oneLine(reason.of)}`;
    default:
      return reason satisfies never;
  }
}

/** Names go to terminals. */
const oneLine = (name: string): string => name.replace(/[\x00-\x1f\x7f]/g, '?').slice(0, 200);
