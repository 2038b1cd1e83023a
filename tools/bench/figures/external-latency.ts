import http from 'node:http';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Children } from '../children.ts';
import { polygate } from '../gateway/polygate.ts';
import { preparePlace, startTarget, warmUp } from '../run-scenario.ts';
import type { RunOptions } from '../run-scenario.ts';
import { SCENARIOS } from '../scenarios.ts';
import type { Scenario } from '../scenarios.ts';
import type { Figure } from './figures.ts';

const REQUESTS_PER_SECOND = 1000;
const SECONDS = 20;
const QUICK_SECONDS = 4;
const CONNECTIONS = 64;
const ANSWER_MS_MAX = 10_000;
const PLAIN_PATH = '/without-plugin';

/**
 * What an external plugin adds to the time of a request while there is time for all: requests with and
 * without it by turns, at a rate that does not wait for answers, so whatever else the machine does
 * meets both alike. The runner's own time is in it.
 */
export async function measureExternalLatency(options: RunOptions): Promise<readonly Figure[]> {
  const scenario = bothRoutes();
  const children = new Children(options.signal);
  const folder = path.join(options.folder, 'external-latency');
  try {
    const place = await preparePlace({ children, scenario }, { ...options, folder });
    const target = await startTarget(polygate(), { ...place, agentSocket: undefined });
    await warmUp(children, target, options);
    const { url } = target.load;
    options.say(`${REQUESTS_PER_SECOND} requests a second, each other one to the plugin`);
    const paths = [PLAIN_PATH, scenario.path].map((one) => new URL(one, url));
    await loadAtRate(paths, QUICK_SECONDS, options.signal);
    const seconds = options.quick ? QUICK_SECONDS : SECONDS;
    const [plain = [], external = []] = await loadAtRate(paths, seconds, options.signal);
    return [0.5, 0.99].map((share) => {
      const [without, withIt] = [quantile(plain, share), quantile(external, share)];
      return {
        what: `an external plugin at ${REQUESTS_PER_SECOND} requests a second: added to p${share * 100}`,
        value: withIt - without,
        unit: `ms (${without.toFixed(2)} to ${withIt.toFixed(2)})`,
        goal: share === 0.99 ? 2 : undefined,
      };
    });
  } finally {
    await children.stopAll();
  }
}

/** The scenario `external`, with a route beside it that has no plugin. */
function bothRoutes(): Scenario {
  const external = SCENARIOS.find(({ name }) => name === 'external');
  if (external === undefined) throw new Error('no scenario with an external plugin');
  const upstream = (node: string) => ({ type: 'roundrobin', nodes: { [node]: 1 } });
  return {
    ...external,
    resources: (node) => [
      ['/routes/plain', { uri: PLAIN_PATH, upstream: upstream(node) }],
      ...external.resources(node),
    ],
  };
}

/** By turns; answers each one's times in ms, sorted. Rejects when an answer is no success. */
async function loadAtRate(
  urls: readonly URL[],
  seconds: number,
  signal: AbortSignal,
): Promise<number[][]> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const times = urls.map((): number[] => []);
  const running = new Set<Promise<void>>();
  const beganMs = performance.now();
  const total = seconds * REQUESTS_PER_SECOND;
  try {
    for (let sent = 0; sent < total; await sleep(1, undefined, { signal })) {
      const dueMs = performance.now() - beganMs;
      for (; sent < total && (sent * 1000) / REQUESTS_PER_SECOND <= dueMs; sent++) {
        const turn = sent % urls.length;
        const asked = timeOf(urls[turn] as URL, agent).then((ms) => void times[turn]?.push(ms));
        running.add(asked);
        asked.finally(() => running.delete(asked)).catch(() => undefined);
      }
    }
    await Promise.all(running);
  } finally {
    agent.destroy();
  }
  return times.map((some) => some.sort((a, b) => a - b));
}

function timeOf(url: URL, agent: http.Agent): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const beganMs = performance.now();
  http
    .get(url, { agent, timeout: ANSWER_MS_MAX }, (response) => {
      if (response.statusCode !== 200) reject(new Error(`answered ${response.statusCode}`));
      response.on('error', reject).resume();
      response.on('end', () => resolve(performance.now() - beganMs));
    })
    .on('error', reject)
    .on('timeout', () => reject(new Error('no answer')));
  return promise;
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
