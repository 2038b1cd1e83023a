// Everything that can be said of the code without running it: generated code is clean, borders hold,
// types are right, format is ours. Ends with 1 at the first thing that is not.
import { spawnSync } from 'node:child_process';

interface Step {
  readonly name: string;
  readonly command: readonly string[];
}

const STEPS: readonly Step[] = [
  { name: 'generated code', command: ['nx', 'run-many', '-t', 'generate', '--skip-nx-cache'] },
  { name: 'generated code is committed', command: ['node', 'tools/generate/is-clean.ts'] },
  { name: 'lint', command: ['nx', 'run-many', '-t', 'lint', '--parallel=2'] },
  { name: 'types', command: ['nx', 'run-many', '-t', 'typecheck', '--parallel=2'] },
  { name: 'format', command: ['prettier', '--check', '--log-level=warn', '.'] },
];

for (const { name, command } of STEPS) {
  const [program = '', ...args] = command;
  console.log(`\n— ${name}: ${command.join(' ')}`);
  const { status } = spawnSync(program, args, { stdio: 'inherit' });
  if (status !== 0) {
    console.error(`check failed: ${name}`);
    process.exit(1);
  }
}
console.log('\ncheck passed');
