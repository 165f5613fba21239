/**
 * The report of a build: one page that a reviewer reads before signing. It holds all that it shows, fetches nothing,
 * runs nothing, follows the reader's choice of dark or light, and prints.
 */
import type { Review, ReviewedFunction, ReviewedPart, ReviewedPatch } from '../build/review.ts';
import { align } from './alignment.ts';
import { counted, size } from './quantity.ts';
import { risksOf } from './risks.ts';
import { STYLE } from './style.ts';

/** @param version of this program */
export function reviewPage(review: Review, version: string): string {
  const title = `Patch ${review.id}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${escaped(title)}</h1>
${review.description === '' ? '' : `<p>${escaped(review.description)}</p>\n`}<p class="quiet">${escaped(summary(review))}</p>
</header>
${contents(review)}
${review.refused.map(refusal).join('\n')}
${review.patches.map(patchSection).join('\n')}
<section id="diff">
<h2>Source diff</h2>
${review.diffs.map(sourceDiff).join('\n')}
</section>
<footer class="quiet">suture ${escaped(version)}</footer>
</body>
</html>
`;
}

/** Text as it may stand in an element or in a quoted attribute. */
export function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function summary({ patches, refused }: Review): string {
  const functions = patches.reduce((sum, { functions }) => sum + functions.length, 0);
  if (refused.length > 0) return `Refused: ${counted(refused.length, 'thing')} that no patch can carry.`;
  return `${counted(functions, 'function')} in ${counted(patches.length, 'object')}.`;
}

function contents({ patches }: Review): string {
  const items = patches.flatMap(({ functions, patch }, i) => [
    `<li><a href="#patch-${i}">${escaped(patch.manifest.target.file)}</a><ul>${functions
      .map(
        ({ listed }, j) => `<li><a href="#function-${i}-${j}"><code>${escaped(listed.name)}</code></a></li>`,
      )
      .join('')}</ul></li>`,
  ]);
  return `<nav><ul>${items.join('')}<li><a href="#diff">Source diff</a></li></ul></nav>`;
}

function refusal({ what, where, unit, object, remedy }: Review['refused'][number]): string {
  const places = [...new Set([where, unit, object].filter((place) => place !== undefined))];
  return `<section class="refused"><h2>Refused: ${escaped(what)}</h2>${places
    .map((place) => `<p><code>${escaped(place)}</code></p>`)
    .join('')}<p>Try: ${escaped(remedy)}</p></section>`;
}

function patchSection(reviewed: ReviewedPatch, index: number): string {
  const { manifest, bytes, sections, arch } = reviewed.patch;
  const facts: [string, string][] = [
    ['Id', manifest.id],
    ['Target', `${manifest.target.file} (${manifest.target.type})`],
    ['Build id', manifest.target.buildId],
    ['Compiler', manifest.compiler],
    ['CPU', arch.name],
    ['Builds on', manifest.requires.join(', ')],
    ['File', `${reviewed.built.file}, ${size(bytes.length)}`],
    ['Sections', sections.map((section) => `${section.name} ${section.size}`).join(', ')],
  ];
  return [
    `<section id="patch-${index}">`,
    `<h2>${escaped(manifest.target.file)}</h2>`,
    `<dl>${facts
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `<dt>${name}</dt><dd>${escaped(value)}</dd>`)
      .join('')}</dl>`,
    list('Warnings', 'warning', manifest.warnings),
    list('To think of', 'risk', risksOf(reviewed)),
    ...reviewed.functions.map((fn, j) => functionSection(fn, `function-${index}-${j}`)),
    rows(
      'Data',
      ['', 'Name', 'Bytes', 'Unit'],
      manifest.variables.map((variable) => [
        variable.kind,
        variable.name,
        String(variable.size),
        variable.unit,
      ]),
    ),
    rows(
      'Symbols of other objects',
      ['Name', 'Version', 'Type', 'Found in'],
      manifest.imports.map(({ name, version, type, weak, slot }) => [
        name,
        version ?? '',
        weak ? `${type}, weak` : type,
        slot === undefined ? 'looked up when applied' : 'the object’s own offset table',
      ]),
    ),
    rows(
      'Symbols of the object',
      ['Name', 'Address', 'Type'],
      reviewed.patch.symbols.flatMap((symbol) =>
        symbol.kind === 'base' ? [[symbol.name, `0x${symbol.address.toString(16)}`, symbol.symbolType]] : [],
      ),
    ),
    '</section>',
  ].join('\n');
}

function list(title: string, kind: string, texts: readonly string[]): string {
  if (texts.length === 0) return '';
  return `<div class="${kind}"><h3>${title}</h3><ul>${texts.map((text) => `<li>${escaped(text)}</li>`).join('')}</ul></div>`;
}

function rows(title: string, heads: readonly string[], cells: readonly (readonly string[])[]): string {
  if (cells.length === 0) return '';
  const head = heads.map((text) => `<th>${escaped(text)}</th>`).join('');
  const body = cells
    .map((row) => `<tr>${row.map((text) => `<td>${escaped(text)}</td>`).join('')}</tr>`)
    .join('');
  return `<h3>${title}</h3><div class="wide"><table class="facts"><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
}

function functionSection({ listed, parts }: ReviewedFunction, id: string): string {
  const { original, replacement } = listed;
  const place =
    original === undefined
      ? `new, ${size(replacement.size)}`
      : `${original.address}, ${size(original.size)} → ${size(replacement.size)}`;
  return `<article id="${id}"><h3><span class="kind">${listed.kind}</span> <code>${escaped(listed.name)}</code></h3>
<p>${escaped(listed.unit)}: ${escaped(listed.reason)}. <span class="quiet">${escaped(place)}</span></p>
${parts.map(codeTable).join('\n')}</article>`;
}

function codeTable({ before, after }: ReviewedPart, index: number): string {
  const side = (code: ReviewedPart['before'], at: number | undefined): string => {
    const line = at === undefined ? undefined : code[at];
    return line === undefined
      ? '<td class="at"></td><td class="none"></td>'
      : `<td class="at">${line.offset.toString(16)}</td><td class="code">${escaped(line.text)}</td>`;
  };
  const lines = align(before, after).map(
    (row) =>
      `<tr${row.differs ? ' class="differs"' : ''}>${side(before, row.before)}${side(after, row.after)}</tr>`,
  );
  const caption = index === 0 ? '' : `<caption>Part ${index + 1}, apart from the body</caption>`;
  return `<div class="wide"><table class="listing">${caption}<thead><tr><th colspan="2">Before</th><th colspan="2">After</th></tr></thead><tbody>
${lines.join('\n')}
</tbody></table></div>`;
}

function sourceDiff({ name, text }: Review['diffs'][number]): string {
  const lines = text.split('\n').map((line) => {
    const kind = /^(\+\+\+|---|diff |index )/.test(line)
      ? 'file'
      : line.startsWith('+')
        ? 'added'
        : line.startsWith('-')
          ? 'removed'
          : line.startsWith('@@')
            ? 'hunk'
            : '';
    return kind === '' ? escaped(line) : `<span class="${kind}">${escaped(line)}</span>`;
  });
  return `<h3>${escaped(name)}</h3><pre class="diff">${lines.join('\n')}</pre>`;
}
