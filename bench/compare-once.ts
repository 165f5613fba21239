/** One process of the benchmark of the comparison: reads two assembler texts and prints what it measured as JSON. */
import { readFileSync } from 'node:fs';
import { x86_64 } from '../src/arch/x86_64/index.ts';
import { compareUnits, composeUnit, parseUnit } from '../src/asm/index.ts';
import { compileThriftily } from '../src/cli/thrift.ts';

/** What one process found. */
export interface Measured {
  readonly cpuSeconds: number;
  readonly wallSeconds: number;
  readonly floorSeconds: number;
  readonly peakMegabytes: number;
  readonly found: readonly string[];
}

function measureHere(before: string, after: string): void {
  compileThriftily();
  const texts = [readFileSync(before), readFileSync(after)] as const;
  const start = performance.now();
  let found: readonly string[] = [];
  const cpuSeconds = cpuOf(() => {
    const original = parseUnit(texts[0], x86_64.assembly, 'sqlite3.c');
    const patched = parseUnit(texts[1], x86_64.assembly, 'sqlite3.c');
    const difference = compareUnits(original, patched);
    composeUnit(original, patched, difference);
    found = difference.functions.map(({ name }) => name);
  });
  const wallSeconds = (performance.now() - start) / 1000;
  const peakMegabytes = process.resourceUsage().maxRSS / 1024;
  const floorSeconds = cpuOf(() => texts.forEach(hash));
  const measured: Measured = { cpuSeconds, wallSeconds, floorSeconds, peakMegabytes, found };
  console.log(JSON.stringify(measured));
}

function cpuOf(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1e6;
}

/** FNV-1a over all bytes. */
function hash(bytes: Uint8Array): number {
  let value = 0x811c9dc5 | 0;
  for (let i = 0; i < bytes.length; i++) value = Math.imul(value ^ bytes[i]!, 0x01000193);
  return value;
}

measureHere(process.argv[2]!, process.argv[3]!);
