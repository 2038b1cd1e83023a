// Ends with 1 when generated files differ from what is committed (or staged).
import { execFileSync } from 'node:child_process';

const GENERATED = ['libs/rpc/src/gen', ':(glob)libs/**/*.generated.ts', 'docs/variables.md'];

const changed = execFileSync('git', ['status', '--porcelain', '--', ...GENERATED])
  .toString()
  .split('\n')
  // staged as it is on disk is fine: it is about to be committed
  .filter((line) => line !== '' && line[1] !== ' ');
if (changed.length > 0) {
  console.error(`generated code is not what is committed:\n${changed.join('\n')}`);
  process.exit(1);
}
