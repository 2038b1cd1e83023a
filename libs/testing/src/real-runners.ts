import assert from 'node:assert';
import { execFile, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const sources = path.resolve(import.meta.dirname, '../runners');
/** A cold build of the Go runner took a minute on two busy cores. */
const BUILD_MS_MAX = 600_000;

/**
 * Whether the Go runner can be built here. Without Go a suite is skipped with a line on stderr; in
 * CI this throws instead.
 */
export function hasGo(): boolean {
  if (spawnSync('go', ['version']).status === 0) return true;
  assert(process.env['CI'] !== 'true', 'go must be on PATH in CI');
  process.stderr.write('SKIPPED: go is not on PATH\n');
  return false;
}

/**
 * Builds `runners/go` on the SDK of apache/apisix-go-plugin-runner, once per source and user, and
 * returns the command to run it. Its plugin `rewrite-demo` is described in `demo.go`.
 */
export async function buildGoRunner(): Promise<string[]> {
  const folder = path.join(sources, 'go');
  const { POLYGATE_GO_RUNNER: checkout } = process.env;
  const name = checkout === undefined ? 'go' : `go-${hashOf(checkout)}`;
  const program = await cached(name, folder, async (target) => {
    await mkdir(target);
    const output = path.join(target, 'runner');
    const modules = checkout === undefined ? ['-mod=readonly'] : await replaceSdk(checkout, target);
    await run('go', ['build', '-buildvcs=false', ...modules, '-o', output, '.'], {
      cwd: folder,
      timeout: BUILD_MS_MAX,
    });
  });
  return [path.join(program, 'runner')];
}

/**
 * Whether POLYGATE_GO_RUNNER names a checkout of the SDK to build with, in place of the release.
 */
export function hasGoRunnerCheckout(): boolean {
  return process.env['POLYGATE_GO_RUNNER'] !== undefined;
}

/** Flags of `go build` for a go.mod beside ours that takes the SDK from a checkout. */
async function replaceSdk(checkout: string, target: string): Promise<string[]> {
  const file = path.join(target, 'go.mod');
  for (const name of ['go.mod', 'go.sum']) {
    await copyFile(path.join(sources, 'go', name), path.join(target, name));
  }
  const sdk = `github.com/apache/apisix-go-plugin-runner=${path.resolve(checkout)}`;
  await run('go', ['mod', 'edit', `-replace=${sdk}`, file]);
  return ['-mod=mod', `-modfile=${file}`];
}

/**
 * Whether the Python runner can be run here: no registry has it, so POLYGATE_PYTHON_RUNNER names a
 * checkout of apache/apisix-python-plugin-runner. Without it a suite is skipped with a line on
 * stderr, also in CI.
 */
export function hasPythonRunner(): boolean {
  const { POLYGATE_PYTHON_RUNNER: checkout } = process.env;
  const missing =
    checkout === undefined
      ? 'POLYGATE_PYTHON_RUNNER names no checkout of the Python plugin runner'
      : !existsSync(path.join(checkout, 'apisix/runner/server/server.py'))
        ? `POLYGATE_PYTHON_RUNNER is no checkout of the Python plugin runner: ${checkout}`
        : spawnSync('python3', ['--version']).status !== 0
          ? 'python3 is not on PATH'
          : undefined;
  if (missing === undefined) return true;
  process.stderr.write(`SKIPPED: ${missing}\n`);
  return false;
}

/**
 * Makes a virtual environment with what the Python runner needs, once per list and user, and
 * returns the command that runs the checkout with our `rewrite-demo` (`runners/python/plugins`).
 */
export async function preparePythonRunner(): Promise<string[]> {
  const { POLYGATE_PYTHON_RUNNER: checkout } = process.env;
  assert(checkout !== undefined, 'ask hasPythonRunner first');
  const folder = path.join(sources, 'python');
  const venv = await cached('python', folder, async (target) => {
    await run('python3', ['-m', 'venv', target], { timeout: BUILD_MS_MAX });
    const python = path.join(target, 'bin/python');
    const requirements = path.join(folder, 'requirements.txt');
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
    await run(python, [...install, '-r', requirements], { timeout: BUILD_MS_MAX });
  });
  // -B: the checkout and our sources stay as they are
  return [path.join(venv, 'bin/python'), '-B', path.join(folder, 'start.py'), checkout];
}

/** Makes `<temporary folder>/<name>-<hash of sources>` unless it is there, and returns its path. */
async function cached(
  name: string,
  folder: string,
  make: (target: string) => Promise<void>,
): Promise<string> {
  const owner = process.getuid?.() ?? 0;
  const home = path.join(tmpdir(), `polygate-test-runners-${owner}`);
  await mkdir(home, { recursive: true, mode: 0o700 });
  const made = path.join(home, `${name}-${hashOf(folder)}`);
  if (existsSync(made)) return made;
  const work = await mkdtemp(path.join(home, 'work-'));
  try {
    const target = path.join(work, randomBytes(4).toString('hex'));
    await make(target);
    await rename(target, made);
  } catch (error) {
    // Another suite may have been faster.
    if (!existsSync(made)) throw error;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return made;
}

function hashOf(folder: string): string {
  const hash = createHash('sha256');
  for (const file of readdirSync(folder, { withFileTypes: true }).filter((e) => e.isFile())) {
    hash.update(`${file.name}\0`).update(readFileSync(path.join(folder, file.name)));
  }
  return hash.digest('hex').slice(0, 16);
}
