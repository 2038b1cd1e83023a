import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { BUILD_MS_MAX, buildOnce, SOURCES } from './build-once.ts';
import { hasPrograms } from './prerequisites.ts';

const run = promisify(execFile);

/**
 * Whether the Go runner can be built here. Without Go a suite is skipped with a line on stderr; in
 * CI this throws instead.
 */
export function hasGo(): boolean {
  return hasPrograms(['go', 'version']);
}

/**
 * Builds `runners/go` on the SDK of apache/apisix-go-plugin-runner, once per source and user, and
 * returns the command to run it. Its plugins are described in `demo.go`.
 */
export async function buildGoRunner(): Promise<string[]> {
  const folder = path.join(SOURCES, 'go');
  const { POLYGATE_GO_RUNNER: checkout } = process.env;
  const [name, inputs] =
    checkout === undefined ? ['go', [folder]] : ['go-checkout', [folder, checkout]];
  const program = await buildOnce(name, inputs, async (target) => {
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
    await copyFile(path.join(SOURCES, 'go', name), path.join(target, name));
  }
  const sdk = `github.com/apache/apisix-go-plugin-runner=${path.resolve(checkout)}`;
  await run('go', ['mod', 'edit', `-replace=${sdk}`, file]);
  return ['-mod=mod', `-modfile=${file}`];
}
