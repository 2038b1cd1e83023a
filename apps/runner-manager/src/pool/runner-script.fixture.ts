import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface RunnerScript {
  readonly cmd: readonly string[];
  readonly file: string;
  readonly folder: string;
  readonly remove: () => void;
}

/**
 * For tests: a runner in a file of its own.
 *
 * @param before Runs before it listens.
 * @param onRequestCall Of `startFakeRunner`: an expression of `({ id }, peer)`.
 * @param onPrepareConf Likewise: of `({ key }, peer)`.
 */
export function writeRunnerScript(
  before: string,
  onRequestCall = '({ id }, peer) => peer.answer(id)',
  onPrepareConf = 'undefined',
): RunnerScript {
  const folder = mkdtempSync(join(tmpdir(), 'pg-script-'));
  const file = join(folder, 'runner.ts');
  writeFileSync(file, runnerScript(before, onRequestCall, onPrepareConf));
  return {
    cmd: [process.execPath, file],
    file,
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** The text of such a file. */
export function runnerScript(
  before: string,
  onRequestCall: string,
  onPrepareConf = 'undefined',
): string {
  const fakeRunner = new URL(
    './fake-runner/fake-runner.ts',
    import.meta.resolve('@polygate/testing'),
  );
  return `import { startFakeRunner } from '${fakeRunner.href}';
${before}
const socketPath = process.env.APISIX_LISTEN_ADDRESS.replace('unix:', '');
const stop = (body) => ({ kind: 'stop', status: 200, headers: [], body: Buffer.from(body) });
const script = { onRequestCall: ${onRequestCall}, onPrepareConf: ${onPrepareConf} };
await startFakeRunner(script, socketPath);
`;
}
