// docs/supported.md: what is patched and what is refused, made from the directives of test/programs, each of which runs.
//
//   node --import tsx scripts/supported.ts           writes the page
//   node --import tsx scripts/supported.ts --check   fails when the page is not what would be written
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, type Expectation, loadCases } from '../test/programs/case.ts';
import { repository } from '../test/programs/harness.ts';

const page = join(repository, 'docs', 'supported.md');
const cases = loadCases(join(repository, 'test', 'programs'));

interface Run {
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

function row({ name, about }: Case, runs: readonly Run[]): string {
  const flags = runs.map((run) => `\`${run.flags.join(' ') || 'no flags'}\``);
  return `| ${about.replaceAll('|', '\\|')} | ${flags.join(', ')} | ${name} |`;
}

/** The runs of each case that end in the same way. */
function rows(belongs: (expected: Expectation) => boolean): string[] {
  return cases.flatMap((one) => {
    const runs = one.matrix.map(
      (more): Run => ({ flags: [...one.flags, ...more], expected: one.expected(more) }),
    );
    const own = runs.filter(({ expected }) => belongs(expected));
    return own.length === 0 ? [] : [row(one, own)];
  });
}

const text = [
  '# What is patched, and what is refused',
  '',
  'Made from the programs in test/programs by `node --import tsx scripts/supported.ts`. Each is compiled with each of its sets of flags,',
  'patched while it runs, watched before, after and reverted, or seen to be refused, by `npm test`.',
  'How trees are built (make, ccache, cmake, ninja, meson, autotools, dpkg-buildpackage, a compilation database) is tested in test/build-systems.',
  ...sections.flatMap(([title, belongs]) => [
    ...['', `## ${title}`, '', '| what | flags | case |', '| --- | --- | --- |'],
    ...rows(belongs),
  ]),
  '',
].join('\n');

if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/supported.md is not what the cases say: run node --import tsx scripts/supported.ts');
  process.exitCode = 1;
}
