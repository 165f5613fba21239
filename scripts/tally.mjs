// Counts of passed, failed and skipped tests.

export const nothingCounted = Object.freeze({ passed: 0, failed: 0, skipped: 0 });

export const addCounts = (a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: a.skipped + b.skipped,
});

/**
 * The totals that node's TAP reporter writes at the end ("# pass 12"). Cancelled tests failed; "todo" tests are
 * counted as skipped. A text without totals (the runner died) is one failure.
 */
export function countsOfTap(text) {
  const total = (word) => {
    const found = [...text.matchAll(new RegExp(`^# ${word} (\\d+)$`, 'gm'))].at(-1);
    return found === undefined ? undefined : Number(found[1]);
  };
  const pass = total('pass');
  if (pass === undefined) return { ...nothingCounted, failed: 1 };
  return {
    passed: pass,
    failed: (total('fail') ?? 0) + (total('cancelled') ?? 0),
    skipped: (total('skipped') ?? 0) + (total('todo') ?? 0),
  };
}
