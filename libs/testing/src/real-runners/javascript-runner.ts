import assert from 'node:assert';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SOURCES } from './build-once.ts';
import { isReachable } from './prerequisites.ts';

/**
 * Whether the JavaScript runner can be run here: no registry has it, so POLYGATE_JS_RUNNER names a
 * checkout of zenozeng/apisix-javascript-plugin-runner that is built as its README says. Without it a
 * suite is skipped with a line on stderr, also in CI.
 */
export function hasJavaScriptRunner(): boolean {
  const { POLYGATE_JS_RUNNER: checkout } = process.env;
  return isReachable(
    checkout === undefined
      ? 'POLYGATE_JS_RUNNER names no checkout of the JavaScript plugin runner'
      : existsSync(path.join(checkout, 'dist/server/node.js'))
        ? undefined
        : `POLYGATE_JS_RUNNER is no built checkout of the JavaScript plugin runner: ${checkout}`,
  );
}

/** The command that runs the checkout with our plugins (`runners/javascript`). */
export function javaScriptRunnerCommand(): string[] {
  const { POLYGATE_JS_RUNNER: checkout } = process.env;
  assert(checkout !== undefined, 'ask hasJavaScriptRunner first');
  const folder = path.join(SOURCES, 'javascript');
  const plugins = ['rewrite-demo.cjs', 'second-demo.cjs'].map((name) => path.join(folder, name));
  return [process.execPath, path.join(folder, 'main.cjs'), checkout, ...plugins];
}
