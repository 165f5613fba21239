// docs/supported.md: what is patched and what is refused, made from the directives of test/programs, each of which runs.
//
//   node --import tsx scripts/supported.ts           writes the page
//   node --import tsx scripts/supported.ts --check   fails when the page is not what would be written
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Case, loadCases } from '../test/programs/case.ts';
import { repository } from '../test/programs/harness.ts';

const page = join(repository, 'docs', 'supported.md');
const cases = loadCases(join(repository, 'test', 'programs'));

const refusedToApply = ({ expected }: Case): boolean =>
  expected.kind === 'patched' && expected.refusedToApply !== undefined;

const sections: [title: string, belongs: (one: Case) => boolean][] = [
  ['Patched', (one) => one.expected.kind === 'patched' && !refusedToApply(one)],
  ['Patched, in a scenario of its own', ({ expected }) => expected.kind === 'scenario'],
  ['Nothing to patch (exit 3)', ({ expected }) => expected.kind === 'nothing'],
  ['Refused when the patch is built (exit 6)', ({ expected }) => expected.kind === 'refused'],
  ['Refused when the patch is applied, with nothing changed (exit 4)', refusedToApply],
];

function row({ name, about, flags, matrix }: Case): string {
  const runs = matrix.map((more) => [...flags, ...more].join(' ') || 'no flags').map((text) => `\`${text}\``);
  return `| ${about.replaceAll('|', '\\|')} | ${runs.join(', ')} | ${name} |`;
}

const text = [
  '# What is patched, and what is refused',
  '',
  'Made from the programs in test/programs by `node --import tsx scripts/supported.ts`. Each is compiled with each of its sets of flags,',
  'patched while it runs, watched before, after and reverted, or seen to be refused, by `npm test`.',
  ...sections.flatMap(([title, belongs]) => {
    const own = cases.filter(belongs);
    return ['', `## ${title}`, '', '| what | flags | case |', '| --- | --- | --- |', ...own.map(row)];
  }),
  '',
].join('\n');

if (!process.argv.includes('--check')) writeFileSync(page, text);
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/supported.md is not what the cases say: run node --import tsx scripts/supported.ts');
  process.exitCode = 1;
}
