import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SutureError } from '../base/errors.ts';
import type { Manifest, ManifestFunction } from '../patch/manifest.ts';
import { requireIndependence } from './independence.ts';

const UNIT = 'net.c';

interface Made {
  readonly changed?: readonly string[];
  readonly added?: readonly string[];
  /** Functions of the base that the compiler looked into, by unit. */
  readonly sees?: Readonly<Record<string, readonly string[]>>;
  readonly requires?: readonly string[];
  readonly unit?: string;
}

function manifest(
  id: string,
  { changed = [], added = [], sees, requires = [], unit = UNIT }: Made,
): Manifest {
  const listed =
    (kind: ManifestFunction['kind']) =>
    (name: string): ManifestFunction => ({
      name,
      kind,
      unit,
      reason: 'its code differs',
      replacement: { offset: 0, size: 1 },
      replacementParts: [],
    });
  return {
    format: 1,
    id,
    description: '',
    cpu: 'x86_64',
    target: { buildId: 'ab', file: 'prog', type: 'executable' },
    functions: [...changed.map(listed('changed')), ...added.map(listed('new'))],
    variables: [],
    imports: [],
    requires,
    ...(sees && { sees: Object.entries(sees).map(([unit, functions]) => ({ unit, functions })) }),
    compiler: 'cc',
    warnings: [],
  };
}

/** What the refusal of `ours` beside `theirs` says; undefined when they fit. */
function objection(ours: Made, ...theirs: readonly (Made | undefined)[]): string | undefined {
  try {
    requireIndependence(
      { manifest: manifest('ours', ours) },
      theirs.map((each, i) => ({ id: `their${i}`, manifest: each && manifest(`their${i}`, each) })),
    );
    return undefined;
  } catch (error) {
    assert.ok(error instanceof SutureError && error.code === 'UNSAFE', String(error));
    return error.message;
  }
}

test('patches fit when neither calls what the other changes', () => {
  assert.equal(objection({ changed: ['f'], sees: { [UNIT]: ['h'] } }, { changed: ['g'] }), undefined);
  assert.equal(objection({ changed: ['f'] }), undefined);
});

test('new code that was compiled against a function of the base is refused beside another version of it', () => {
  const said = objection(
    { changed: ['f'], sees: { [UNIT]: ['g'] } },
    { changed: ['other'] },
    { changed: ['g'] },
  );
  assert.match(said ?? '', /ours and their1 were built for themselves, and code of one calls g/);
});

test('it counts in both directions', () => {
  assert.match(objection({ changed: ['g'] }, { changed: ['f'], sees: { [UNIT]: ['g'] } }) ?? '', /calls g/);
});

test('a static function of the same name in another unit is another function', () => {
  const theirs = { changed: ['g'], unit: 'disk.c' };
  assert.equal(objection({ changed: ['f'], sees: { [UNIT]: ['g'] } }, theirs), undefined);
  assert.match(objection({ changed: ['f'], sees: { 'disk.c': ['g'] } }, theirs) ?? '', /calls g/);
});

test('a list that was cut stands for any function of its unit', () => {
  assert.match(objection({ changed: ['f'], sees: { [UNIT]: ['*'] } }, { changed: ['g'] }) ?? '', /calls g/);
  assert.equal(objection({ changed: ['f'], sees: { 'disk.c': ['*'] } }, { changed: ['g'] }), undefined);
});

test('what the later patch changes itself is out of force in the earlier one', () => {
  assert.equal(objection({ changed: ['g'], sees: { [UNIT]: ['g'] } }, { changed: ['g'] }), undefined);
  // But not in the other direction: the earlier one’s code runs on, and calls our version.
  const earlier = { changed: ['g', 'f'], sees: { [UNIT]: ['g'] } };
  assert.match(objection({ changed: ['g'] }, earlier) ?? '', /calls g/);
});

test('functions that a patch adds are nobody else’s, and required patches were in view', () => {
  assert.equal(
    objection({ changed: ['f'], sees: { [UNIT]: ['g'] } }, { changed: ['x'], added: ['g'] }),
    undefined,
  );
  assert.equal(
    objection({ changed: ['f'], sees: { [UNIT]: ['g'] }, requires: ['their0'] }, { changed: ['g'] }),
    undefined,
  );
});

test('of a patch that tells nothing of itself nothing is said', () => {
  assert.equal(objection({ changed: ['f'], sees: { [UNIT]: ['*'] } }, undefined), undefined);
});
