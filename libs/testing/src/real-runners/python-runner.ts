import assert from 'node:assert';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { BUILD_MS_MAX, buildOnce, SOURCES } from './build-once.ts';
import { isReachable } from './prerequisites.ts';

const run = promisify(execFile);

/**
 * Whether the Python runner can be run here: no registry has it, so POLYGATE_PYTHON_RUNNER names a
 * checkout of apache/apisix-python-plugin-runner. Without it a suite is skipped with a line on
 * stderr, also in CI.
 */
export function hasPythonRunner(): boolean {
  const { POLYGATE_PYTHON_RUNNER: checkout } = process.env;
  return isReachable(
    checkout === undefined
      ? 'POLYGATE_PYTHON_RUNNER names no checkout of the Python plugin runner'
      : !existsSync(path.join(checkout, 'apisix/runner/server/server.py'))
        ? `POLYGATE_PYTHON_RUNNER is no checkout of the Python plugin runner: ${checkout}`
        : spawnSync('python3', ['--version']).status !== 0
          ? 'python3 is not on PATH'
          : undefined,
  );
}

/**
 * Makes a virtual environment with what the Python runner needs, once per list and user, and
 * returns the command that runs the checkout with our plugins (`runners/python/plugins`).
 */
export async function preparePythonRunner(): Promise<string[]> {
  const { POLYGATE_PYTHON_RUNNER: checkout } = process.env;
  assert(checkout !== undefined, 'ask hasPythonRunner first');
  const folder = path.join(SOURCES, 'python');
  const requirements = path.join(folder, 'requirements.txt');
  const venv = await buildOnce('python', [requirements], async (target) => {
    await run('python3', ['-m', 'venv', target], { timeout: BUILD_MS_MAX });
    const python = path.join(target, 'bin/python');
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await run(python, [...install, '-r', requirements], { timeout: BUILD_MS_MAX });
  });
  // -B: the checkout and our sources stay as they are
  return [path.join(venv, 'bin/python'), '-B', path.join(folder, 'start.py'), checkout];
}
