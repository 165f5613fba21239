import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LAYERS, violations } from './layers.ts';

/** The findings for one file among a few that exist. */
function check(path: string, text: string): string[] {
  const cpus = ['arch/m68k/jump.ts', 'arch/vax/jump.ts'].map((cpu) => ({ path: cpu, text: '' }));
  return violations([...cpus, { path, text }]);
}

test('imports of rows above are fine', () => {
  const text = `
    import type { Vaddr } from '../bytes/address.ts';
    import { archNamed } from '../arch/index.ts';
    import { later } from './other.ts';`;
  assert.deepEqual(check('elf/image.ts', text), []);
});

test('an import of a row below is found, however it is written', () => {
  const forms = [
    "import { plan } from '../apply/plan.ts';",
    "import type { Plan } from '../apply/plan.ts';",
    "export * from '../apply/plan.ts';",
    "const plan = await import('../apply/plan.ts');",
    "import '../apply/plan.ts';",
  ];
  for (const form of forms) assert.equal(check('elf/image.ts', form).length, 1, form);
});

test('build and apply never see each other', () => {
  assert.match(check('apply/plan.ts', "import '../build/base.ts';").join(), /apply must not know build/);
  assert.match(check('build/base.ts', "import '../apply/plan.ts';").join(), /apply is above build/);
});

test('one CPU never imports another, and nobody but the list imports a CPU', () => {
  const text = "import { jump } from '../vax/jump.ts';";
  assert.equal(check('arch/m68k/link.ts', text).length, 1);
  assert.equal(check('apply/redirect.ts', "import { jump } from '../arch/vax/jump.ts';").length, 1);
  assert.deepEqual(check('arch/index.ts', "import { jump } from './vax/jump.ts';"), []);
  assert.deepEqual(check('arch/vax/link.ts', "import { jump } from './jump.ts';"), []);
});

test('packages and node modules stay in their folders', () => {
  assert.equal(check('process/maps.ts', "import koffi from 'koffi';").length, 1);
  assert.deepEqual(check('sys/ptrace.ts', "import koffi from 'koffi';"), []);
  assert.equal(check('asm/lex.ts', "import { readFileSync } from 'node:fs';").length, 1);
  assert.deepEqual(check('apply/engine.ts', "import { readFileSync } from 'node:fs';"), []);
  assert.equal(check('apply/plan.ts', "import { readFileSync } from 'node:fs';").length, 1);
});

test('a CPU is not asked for by name', () => {
  assert.match(check('apply/plan.ts', "if (arch.name === 'vax') stop();").join(), /names the CPU "vax"/);
  assert.deepEqual(check('apply/plan.ts', '// the vax has none\nconst text = `the vax`;'), []);
});

test('folders outside the table, tests and files outside src are no imports', () => {
  assert.equal(check('elf/image.ts', "import '../nowhere/x.ts';").length, 1);
  assert.equal(check('nowhere/x.ts', "import '../elf/image.ts';").length, 1);
  assert.equal(check('elf/image.ts', "import './image.test.ts';").length, 1);
  assert.equal(check('elf/image.ts', "import '../../scripts/setup.mjs';").length, 1);
});

test('folders that say nothing and files without end are found', () => {
  assert.equal(check('elf/utils/hash.ts', '').length, 1);
  assert.equal(check('elf/image.ts', '\n'.repeat(601)).length, 1);
});

test('each layer is one row', () => {
  assert.equal(new Set(LAYERS.map((layer) => layer.folder)).size, LAYERS.length);
});
