import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The folder with the plugins of the runners. */
export const SOURCES = path.resolve(import.meta.dirname, '../../runners');

/** Cold builds took a minute on two busy cores. */
export const BUILD_MS_MAX = 600_000;

/** Versioned or made folders, which say nothing about what is built. */
const LEFT_OUT = /(^|\/)(\.git|node_modules|__pycache__|target)(\/|$)/;

/**
 * Has `make` fill `<temporary folder>/polygate-test-runners-<user>/<name>-<hash of the inputs>` unless
 * it is there, and returns its path. `inputs` are files and folders. Of suites that ask at the same
 * time one builds and the others wait.
 */
export async function buildOnce(
  name: string,
  inputs: readonly string[],
  make: (target: string) => Promise<void>,
): Promise<string> {
  const home = path.join(tmpdir(), `polygate-test-runners-${process.getuid?.() ?? 0}`);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const made = path.join(home, `${name}-${hashOf(inputs)}`);
  const lock = `${made}.lock`;
  while (!existsSync(made)) {
    if (!(await isTaken(lock))) {
      await sleep(100);
      continue;
    }
    const work = `${made}.work-${process.pid}`;
    try {
      if (existsSync(made)) break;
      await mkdir(work);
      await make(work);
      await rename(work, made);
    } finally {
      await rm(work, { recursive: true, force: true });
      await rm(lock, { force: true });
    }
  }
  return made;
}

/** Whether the lock is ours now. One whose holder has ended is taken away, for the next try. */
async function isTaken(lock: string): Promise<boolean> {
  try {
    await writeFile(lock, `${process.pid}`, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
  if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true });
  return false;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Of the names and contents of files, 16 hex digits. */
function hashOf(inputs: readonly string[]): string {
  const hash = createHash('sha256');
  for (const input of inputs) {
    for (const file of filesOf(input)) {
      hash.update(`${path.relative(input, file)}\0`).update(readFileSync(file));
    }
  }
  return hash.digest('hex').slice(0, 16);
}

function filesOf(input: string): string[] {
  if (!statSync(input).isDirectory()) return [input];
  return readdirSync(input, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => path.join(parentPath, name))
    .filter((file) => !LEFT_OUT.test(path.relative(input, file)))
    .sort();
}
