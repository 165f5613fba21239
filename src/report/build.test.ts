import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildResult } from '../build/result.ts';
import { buildDocument, buildText } from './build.ts';
import { paintOf, plain } from './paint.ts';

const result: BuildResult = {
  patches: [
    {
      file: 'patches/5a31f0c2d9e4aa.kpatch',
      buildId: '5a31f0c2d9e4aa',
      object: '/src/noted/noted',
      functions: [
        { name: 'echo', unit: 'command.c', kind: 'changed', reason: 'its code differs' },
        { name: 'clear', unit: 'connection.c', kind: 'new', reason: 'echo calls it' },
      ],
      variables: [
        { name: 'refused_echoes', unit: 'command.c', kind: 'new', size: 8 },
        { name: 'totals', unit: 'connection.c', kind: 'existing', size: 16 },
      ],
      warnings: ['echo writes to standard error'],
      units: 2,
    },
  ],
  refused: [],
  timings: { compile: 412, compare: 8 },
};

test('a build says what is in each patch and why', () => {
  assert.equal(
    buildText(result, plain),
    `patches/5a31f0c2d9e4aa.kpatch  for noted (5a31f0c2d9e4), from 2 units
         FUNCTION  UNIT          WHY
changed  echo      command.c     its code differs
new      clear     connection.c  echo calls it
     VARIABLE        UNIT       SIZE
new  refused_echoes  command.c  8 bytes
warning: echo writes to standard error

compile 0.41 s, compare 0.01 s
`,
  );
});

test('a refusal says what, where and what to do', () => {
  const refused = [
    {
      what: 'the initial value of limit changes',
      where: 'main.c:12',
      unit: 'main.c',
      remedy: 'set it in code',
    },
  ];
  assert.equal(
    buildText({ patches: [], refused, timings: {} }, plain),
    `refused: the initial value of limit changes
  in main.c:12
  in main.c
  try: set it in code

`,
  );
});

test('a build without a difference says so', () => {
  assert.match(buildText({ patches: [], refused: [], timings: {} }, plain), /^no patch: /);
});

test('colours change nothing but colours', () => {
  const coloured = buildText(result, paintOf(true));
  assert.notEqual(coloured, buildText(result, plain));
  assert.equal(coloured.replaceAll(/\x1b\[\d+m/g, ''), buildText(result, plain));
});

test('the JSON document has the documented fields and nothing else', () => {
  const document = JSON.parse(JSON.stringify(buildDocument(result)));
  assert.deepEqual(Object.keys(document), ['patches', 'refused', 'timings']);
  assert.deepEqual(Object.keys(document.patches[0]), [
    'file',
    'buildId',
    'object',
    'functions',
    'variables',
    'warnings',
    'units',
  ]);
  assert.deepEqual(document.patches[0].functions[0], {
    name: 'echo',
    unit: 'command.c',
    kind: 'changed',
    reason: 'its code differs',
  });
});
