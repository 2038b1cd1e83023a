// What do confs cost? Resident memory of data plane and runner manager with one conf, and with many:
//   node tools/chaos/runner-memory.ts [--confs 1000]
// Each conf has a route of its own, whose memory counts too. Ends with 1 above 64 MiB for 1,000.
import assert from 'node:assert';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RunnerStage } from './runner-stage.ts';

export interface ConfMemory {
  /** Service → bytes that it has more than before. */
  readonly grownBytes: ReadonlyMap<string, number>;
  readonly totalBytes: number;
}

const BYTES_MAX_PER_CONF = (64 * 2 ** 20) / 1000;
const WARM_UP_REQUESTS = 2000;
const CLIENTS = 8;
/** The collector is in no hurry: the least of this time is what is held. */
const SETTLE_MS = 15_000;
const POLL_MS = 250;
const WAIT_MS_MAX = 60_000;

/** Each conf has been called when it is measured. */
export async function measureConfs(confs: number): Promise<ConfMemory> {
  const stage = await RunnerStage.start({ instances: 1 });
  try {
    const paths = Array.from({ length: confs }, (_, i) => `/more/${i}`);
    await ask(
      stage,
      Array.from({ length: WARM_UP_REQUESTS }, () => '/'),
    );
    const before = await settled(stage);
    await stage.changeConf(1, confs);
    await untilHeld(stage, confs);
    await ask(stage, paths);
    const after = await settled(stage);
    const grownBytes = new Map(
      [...after].map(([name, bytes]) => [name, bytes - (before.get(name) ?? 0)]),
    );
    const totalBytes = [...grownBytes.values()].reduce((sum, bytes) => sum + bytes, 0);
    return { grownBytes, totalBytes };
  } finally {
    await stage.stop();
  }
}

/** Until the manager has tokens for all. */
async function untilHeld(stage: RunnerStage, confs: number): Promise<void> {
  const endMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    const [runner] = await stage.runners();
    if ((runner?.confTokens ?? 0) > confs) return;
    assert(performance.now() < endMs, `${runner?.confTokens} tokens:\n${stage.output()}`);
    await sleep(POLL_MS);
  }
}

async function ask({ url }: RunnerStage, paths: readonly string[]): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < paths.length) {
      const path = paths[next] as string;
      next += 1;
      const response = await fetch(`${url}${path}`, { headers: { 'X-Nonce': path } });
      await response.arrayBuffer();
      assert.equal(response.status, 200, path);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

async function settled(stage: RunnerStage): Promise<ReadonlyMap<string, number>> {
  const least = new Map<string, number>(stage.serviceRssBytes());
  const endMs = performance.now() + SETTLE_MS;
  while (performance.now() < endMs) {
    await sleep(POLL_MS);
    for (const [name, bytes] of stage.serviceRssBytes()) {
      least.set(name, Math.min(bytes, least.get(name) ?? Infinity));
    }
  }
  return least;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { confs: { type: 'string', default: '1000' } } });
  const confs = Number(values.confs);
  const { grownBytes, totalBytes } = await measureConfs(confs);
  const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  for (const [name, bytes] of grownBytes) console.log(`${name}: ${mib(bytes)}`);
  console.log(`${confs} confs and their routes: ${mib(totalBytes)}`);
  process.exitCode = totalBytes <= confs * BYTES_MAX_PER_CONF ? 0 : 1;
}
