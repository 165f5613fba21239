/** Processes that end in any phase are gone, whatever was being done. SUTURE_ENDINGS: how many cases; SUTURE_SEED. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Chance, seedOf } from './chance.ts';
import { type EndingCase, Endings } from './endings.ts';

const CASES = Number(process.env.SUTURE_ENDINGS ?? 120);
const seed = seedOf(process.env.SUTURE_SEED);

let endings: Endings;
let cases: EndingCase[];

before(async () => {
  endings = new Endings();
  cases = await endings.cases(seed);
});
after(() => endings[Symbol.dispose]());

for (const event of ['kill', 'exit', 'exec'] as const) {
  test(`${event} before any step of apply and revert (seed ${seed})`, async () => {
    const left = cases.filter((one) => one.event === event);
    const chance = new Chance(seed);
    let gone = 0;
    let reached = 0;
    const wanted = Math.min(left.length, Math.ceil(CASES / 3));
    for (let i = 0; i < wanted; i++) {
      const [one] = left.splice(chance.below(left.length), 1);
      const result = await endings.run(one!);
      if (result.reached) reached++;
      if (result.outcome === 'gone') gone++;
    }
    assert.ok(reached > wanted / 2, `${reached} of ${wanted} steps were reached`);
    assert.ok(gone > wanted / 4, `${gone} of ${wanted} were seen to be gone`);
  });
}
