import assert from 'node:assert';
import { spawnSync } from 'node:child_process';

/**
 * Whether all of these programs run with these arguments. Where one does not, a suite is skipped with
 * a line on stderr; in CI this throws instead.
 */
export function hasPrograms(...commands: readonly (readonly [string, ...string[]])[]): boolean {
  for (const [program, ...args] of commands) {
    if (spawnSync(program, args).status === 0) continue;
    assert(process.env['CI'] !== 'true', `${program} must be on PATH in CI`);
    process.stderr.write(`SKIPPED: ${program} is not on PATH\n`);
    return false;
  }
  return true;
}

/** Says on stderr why a suite is skipped, also in CI: what is missing is on no registry. */
export function isReachable(missing: string | undefined): boolean {
  if (missing !== undefined) process.stderr.write(`SKIPPED: ${missing}\n`);
  return missing === undefined;
}
