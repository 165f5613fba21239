/** What a patch is, for a person and for a script: `suture inspect`. */
import type { Manifest, ManifestFunction } from '../patch/manifest.ts';
import type { Patch } from '../patch/patch.ts';
import type { Paint } from './paint.ts';
import { counted, shortId, size } from './quantity.ts';
import { table } from './table.ts';

/** A patch file that was read and whose digest was right. */
export interface InspectedPatch {
  readonly file: string;
  readonly patch: Patch;
}

interface SectionSummary {
  readonly name: string;
  readonly kind: string;
  /** Bytes in the target. */
  readonly size: number;
  readonly relocations: number;
}

export interface PatchDocument extends Manifest {
  readonly file: string;
  readonly origin: Patch['origin'];
  /** Bytes of the file. */
  readonly fileSize: number;
  readonly sections: readonly SectionSummary[];
}

/** The document of `suture inspect --json`: the manifest and what the file holds. */
export function patchDocument({ file, patch }: InspectedPatch): PatchDocument {
  return {
    file,
    origin: patch.origin,
    fileSize: patch.bytes.length,
    ...patch.manifest,
    sections: patch.sections.map((section) => ({
      name: section.name,
      kind: section.kind,
      size: section.size,
      relocations: section.relocations.length,
    })),
  };
}

/** The patch as a person reads it before applying it. */
export function patchText(inspected: InspectedPatch, paint: Paint): string {
  const { manifest } = inspected.patch;
  return [
    headingText(inspected, paint),
    functionsText(manifest, paint),
    variablesText(manifest),
    importsText(manifest),
    sectionsText(inspected.patch),
    ...manifest.warnings.map((warning) => `${paint.yellow('warning:')} ${warning}\n`),
  ]
    .filter((part) => part !== '')
    .join('\n');
}

function headingText({ file, patch }: InspectedPatch, paint: Paint): string {
  const { manifest } = patch;
  const facts: [string, string][] = [
    ['patch', `${paint.bold(manifest.id)}${manifest.description === '' ? '' : `, ${manifest.description}`}`],
    ['file', `${file}, ${size(patch.bytes.length)}, ${origin(patch)}`],
    ['for', target(patch)],
    ['cpu', manifest.cpu],
    ['compiler', manifest.compiler],
    ['requires', manifest.requires.join(', ')],
    ['built', manifest.builtAt === undefined ? '' : new Date(manifest.builtAt * 1000).toISOString()],
  ];
  return facts
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name.padEnd(9)} ${value}\n`)
    .join('');
}

/** LibcarePlus's patches know the build id alone. */
const target = ({ manifest, origin }: Patch): string => {
  const { file, type, buildId } = manifest.target;
  return origin === 'libcareplus' ? `build id ${buildId}` : `${file} (${type}), build id ${buildId}`;
};

const origin = (patch: Patch): string => {
  switch (patch.origin) {
    case 'suture':
      return 'digest right';
    case 'libcareplus':
      return 'made by LibcarePlus, has no digest';
    default:
      return patch.origin satisfies never;
  }
};

function functionsText(manifest: Manifest, paint: Paint): string {
  const rows = manifest.functions.map((changed) => [
    kindWord(changed, paint),
    changed.name,
    sizes(changed),
    changed.unit,
    changed.reason,
  ]);
  return `${counted(rows.length, 'function')}\n${table(['', 'NAME', 'BYTES', 'UNIT', 'WHY'], rows)}`;
}

const kindWord = (changed: ManifestFunction, paint: Paint): string =>
  changed.kind === 'new' ? paint.green('new') : paint.cyan('changed');

/** "92 -> 121": the code of the original and of its replacement, all parts. */
function sizes(changed: ManifestFunction): string {
  const total = (parts: readonly { readonly size: number }[]) =>
    parts.reduce((sum, part) => sum + part.size, 0);
  const after = total([changed.replacement, ...changed.replacementParts]);
  if (changed.original === undefined) return String(after);
  return `${total([changed.original, ...changed.original.parts])} -> ${after}`;
}

function variablesText(manifest: Manifest): string {
  const { variables } = manifest;
  if (variables.length === 0) return '';
  const rows = variables.map((variable) => [
    variable.kind,
    variable.name,
    String(variable.size),
    variable.unit,
  ]);
  return `${counted(rows.length, 'variable')}\n${table(['', 'NAME', 'BYTES', 'UNIT'], rows)}`;
}

function importsText(manifest: Manifest): string {
  const { imports } = manifest;
  if (imports.length === 0) return '';
  const rows = imports.map((symbol) => [
    symbol.name,
    symbol.version ?? '',
    symbol.weak ? `${symbol.type}, weak` : symbol.type,
    symbol.slot === undefined ? 'looked up when applied' : "the object's own GOT",
  ]);
  return `${counted(rows.length, 'symbol')} of other objects\n${table(['NAME', 'VERSION', 'TYPE', 'FOUND IN'], rows)}`;
}

function sectionsText(patch: Patch): string {
  const rows = patch.sections.map((section) => [
    section.name,
    section.kind,
    String(section.size),
    String(section.relocations.length),
  ]);
  return `${counted(rows.length, 'section')}\n${table(['NAME', 'KIND', 'BYTES', 'RELOCATIONS'], rows)}`;
}

/** One line for a list of patches: "echo-leak for noted (5a31f0c2d9e4): 2 functions". */
export function patchLine(manifest: Manifest): string {
  const { id, target, functions } = manifest;
  return `${id} for ${target.file} (${shortId(target.buildId)}): ${counted(functions.length, 'function')}`;
}
