import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Children, ROOT } from './children.ts';
import { placementOf } from './machine.ts';

/**
 * Runs every `*.bench.ts` of apps and libs, one after another, on the gateway's core. Each is a
 * program that prints its figures; one that uses vitest is run by it. Rejects when one fails.
 */
export async function runMicroBenches(signal: AbortSignal): Promise<void> {
  const files = globSync('{apps,libs}/*/src/**/*.bench.ts', { cwd: ROOT }).sort();
  const { gatewayCpus } = placementOf();
  const failed: string[] = [];
  for (const file of files) {
    console.log(`\n— ${file}`);
    const isVitest = readFileSync(path.join(ROOT, file), 'utf8').includes(`from 'vitest'`);
    const command = isVitest
      ? [process.execPath, 'node_modules/.bin/vitest', 'bench', '--run', file]
      : [process.execPath, '--expose-gc', file];
    const child = new Children(signal).start({ name: file, command, cpus: gatewayCpus });
    const code = await child.exited;
    signal.throwIfAborted();
    console.log(child.output().trimEnd());
    if (code !== 0) failed.push(`${file} ended with ${code}`);
  }
  if (failed.length > 0) throw new Error(failed.join('; '));
}
