// npm run test:real: two real servers from Debian's source packages, patched under load.
//
//   node scripts/test-real.mjs [--only redis|nginx] [--fresh]
//
// Sets up what is missing (npm packages, Debian packages when root, the bundle), then runs test/real/main.ts.
import { spawnSync } from 'node:child_process';
import { ensureBundle, root, setUp } from './setup.mjs';

setUp('real');
if (!ensureBundle()) process.exit(1);
const { status } = spawnSync(
  process.execPath,
  ['--import', 'tsx', 'test/real/main.ts', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exitCode = status ?? 1;
