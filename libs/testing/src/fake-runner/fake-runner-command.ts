import { fileURLToPath } from 'node:url';

export type FakeRunnerMode = 'continue' | 'crash-mid-call' | 'environment' | 'ignore-sigterm';

/** A command for `ext-plugin.cmd` that starts a fake runner in a process of its own. */
export function fakeRunnerCommand(mode: FakeRunnerMode): string[] {
  const main = fileURLToPath(new URL('./main.ts', import.meta.url));
  return [process.execPath, main, mode];
}
