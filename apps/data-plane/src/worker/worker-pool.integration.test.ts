import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@polygate/chassis';
import { memoryLog } from '@polygate/testing';
import { afterEach, expect, test } from 'vitest';
import type { ConfigUpdate } from '../config/config-item.ts';
import { eventually, request } from '../gateway.harness.ts';
import { allocateCounters } from '../state/shared-counters.ts';
import { createTlsSecrets } from '../tls/tls-settings.ts';
import { WorkerPool } from './worker-pool.ts';

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

const update: ConfigUpdate = {
  revision: 1,
  reset: true,
  puts: [],
  deletes: [],
  plugins: { generation: 1, names: [], attr: {} },
};

async function startPool(
  listen: string,
): Promise<{ pool: WorkerPool; log: ReturnType<typeof memoryLog> }> {
  const folder = await mkdtemp(join(tmpdir(), 'polygate-pool-'));
  cleanups.push(() => rm(folder, { recursive: true }));
  const file = join(folder, 'config.yaml');
  await writeFile(file, `apisix: { node_listen: [${listen}] }\npolygate: { run_dir: ${folder} }\n`);
  const log = memoryLog();
  const pool = new WorkerPool({
    start: {
      config: loadConfig(file, {}),
      counters: allocateCounters(64),
      nodeId: 'test-node',
      tlsSecrets: createTlsSecrets(),
      version: 'test',
    },
    workers: 2,
    log: { ...log, child: () => log, isEnabled: () => true } as never,
    fullUpdate: () => update,
    onProgress: () => undefined,
    metricsText: () => Promise.resolve(''),
  });
  cleanups.push(() => pool.stop(1000));
  return { pool, log };
}

test('a worker that ends by itself is replaced, on the same port, with the whole configuration', async () => {
  const { pool, log } = await startPool('{ ip: 127.0.0.1, port: 0 }');
  await pool.begin(update);
  await eventually(() => pool.isServing);
  const { port } = pool.listen[0] ?? { port: 0 };
  expect((await request({ port, path: '/' })).status).toBe(404);

  // No update at all: what a bug would look like to a worker.
  expect(() => pool.send(null as never)).toThrow(TypeError);
  await eventually(
    () => log.lines.filter((line) => line.includes('starting another')).length === 2,
  );
  await eventually(() => pool.isServing);
  expect(pool.listen[0]?.port).toBe(port);
  expect((await request({ port, path: '/' })).status).toBe(404);
  expect(pool.appliedRevision).toBe(1);
});

test('begin() rejects when the address cannot be had', async () => {
  const { pool } = await startPool('{ ip: 192.0.2.1, port: 1 }');
  await expect(pool.begin(update)).rejects.toThrow(/EADDRNOTAVAIL/);
});
