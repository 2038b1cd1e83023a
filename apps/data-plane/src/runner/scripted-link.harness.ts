import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { memoryLog } from '@polygate/testing';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { connectRunnerManagers, type RunnerClient } from './link/runner-client.ts';
import { startScriptedManager, type ScriptedManager } from './scripted-manager.ts';

/** A manager that answers what tests say, and a client that is connected to it. */
export interface ScriptedLink {
  readonly manager: ScriptedManager;
  readonly client: RunnerClient;
}

/** For a file of tests: there from the first to the last of them. */
export function scriptedLink(): ScriptedLink {
  const folder = mkdtempSync(join(tmpdir(), 'polygate-link-'));
  let parts: ScriptedLink | undefined;
  const started = (): ScriptedLink => {
    if (parts === undefined) throw new Error('there is a link within tests only');
    return parts;
  };
  beforeAll(async () => {
    const manager = await startScriptedManager(`unix:${join(folder, 'manager.sock')}`);
    const client = connectRunnerManagers({ addresses: [manager.address], log: memoryLog() });
    parts = { manager, client };
    await vi.waitFor(() => expect(client.connected).toBe(true), 10_000);
  });
  afterAll(async () => {
    parts?.client.close();
    await parts?.manager.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    get manager() {
      return started().manager;
    },
    get client() {
      return started().client;
    },
  };
}
