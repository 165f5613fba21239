// docs/supported.md: what is patched and what is refused, made from the directives of test/programs, each of which runs.
//
//   node --import tsx scripts/supported.ts           writes the page
//   node --import tsx scripts/supported.ts --check   fails when the page is not what would be written
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { wordsOf } from '../test/aarch64/selection.ts';
import { type Case, type Expectation, loadCases } from '../test/programs/case.ts';
import { repository } from '../test/programs/harness.ts';

const page = join(repository, 'docs', 'supported.md');
const cases = loadCases(join(repository, 'test', 'programs'));

interface Run {
  readonly variant: readonly string[];
  readonly flags: readonly string[];
  readonly expected: Expectation;
}

const refusedToApply = (expected: Expectation): boolean =>
  expected.kind === 'patched' && expected.refusedToApply !== undefined;

const sections: [title: string, belongs: (expected: Expectation) => boolean][] = [
  ['Patched', (expected) => expected.kind === 'patched' && !refusedToApply(expected)],
  ['Patched, in a scenario of its own', ({ kind }) => kind === 'scenario'],
  ['Nothing to patch (exit 3)', ({ kind }) => kind === 'nothing'],
  ['Refused when the patch is built (exit 6)', ({ kind }) => kind === 'refused'],
  ['Refused when the patch is applied, with nothing changed (exit 4)', refusedToApply],
];

const shown = (flags: readonly string[]): string => `\`${flags.join(' ') || 'no flags'}\``;
const inCell = (text: string): string => text.replaceAll('|', '\\|');

function row(one: Case, runs: readonly Run[]): string {
  const flags = runs.map((run) => shown(run.flags));
  return `| ${inCell(one.about)} | ${flags.join(', ')} | ${inCell(onAarch64(one, runs))} | ${one.name} |`;
}

/** How the same runs end on AArch64: test/aarch64 makes them by this very choice. */
function onAarch64(one: Case, runs: readonly Run[]): string {
  if (one.scenario !== undefined) return 'not run';
  const endings = runs.map(({ variant, expected }) => {
    const unfit = one.unfit(wordsOf(one, variant));
    if (unfit !== undefined) return `not run (${unfit})`;
    const there = endOf(one.expected(wordsOf(one, variant)));
    return there === endOf(expected) ? 'the same' : there;
  });
  const groups = [...new Set(endings)].map((ending) => {
    const own = runs.filter((_, i) => endings[i] === ending).map(({ flags }) => shown(flags));
    return { ending, own };
  });
  if (groups.length === 1) return groups[0]!.ending;
  return groups
    .map(({ ending, own }) => (ending === 'the same' ? ending : `${own.join(', ')}: ${ending}`))
    .join('; ');
}

function endOf(expected: Expectation): string {
  if (refusedToApply(expected)) return 'refused when applied';
  switch (expected.kind) {
    case 'patched':
      return 'patched';
    case 'nothing':
      return 'nothing to patch';
    case 'refused':
      return 'refused';
    case 'scenario':
      return 'a scenario';
    default:
      return expected satisfies never;
  }
}

/** The runs of each case that end in the same way. */
function rows(belongs: (expected: Expectation) => boolean): string[] {
  return cases.flatMap((one) => {
    const runs = one.matrix.map(
      (more): Run => ({ variant: more, flags: [...one.flags, ...more], expected: one.expected(more) }),
    );
    const own = runs.filter(({ expected }) => belongs(expected));
    return own.length === 0 ? [] : [row(one, own)];
  });
}

const text = [
  '# What is patched, and what is refused',
  '',
  'Made from the programs in test/programs by `node --import tsx scripts/supported.ts`. Each is compiled with each of its sets of flags,',
  'patched while it runs, watched before, after and reverted, or seen to be refused, by `npm test`: on x86_64 all of them; on AArch64,',
  'in an emulated machine, each program once without and once with branch protection and pointer authentication, and all sets of flags by',
  '`npm run test:aarch64`. Flags are given as for x86_64; control-flow protection, the dialects of thread-local storage and the like stand for',
  "the other CPU's.",
  'How trees are built (make, ccache, cmake, ninja, meson, autotools, dpkg-buildpackage, a compilation database) is tested in test/build-systems.',
  ...sections.flatMap(([title, belongs]) => [
    ...['', `## ${title}`, '', '| what | flags | on AArch64 | case |', '| --- | --- | --- | --- |'],
    ...rows(belongs),
  ]),
  '',
].join('\n');

if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/supported.md is not what the cases say: run node --import tsx scripts/supported.ts');
  process.exitCode = 1;
}
