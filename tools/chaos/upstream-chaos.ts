// Nodes die, hang, reset and come back under load:
//   node tools/chaos/upstream-chaos.ts [--seconds 120] [--clients 16] [--seed N]
// Ends with 1 when a request that may be repeated failed before its answer began, or any took too long.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { createLogger, loadConfig } from '@polygate/chassis';
import { openEmbeddedStore } from '@polygate/config-store';
import { startDataPlane } from '@polygate/data-plane';
import { randomFrom } from './random-from.ts';
import { BODY_BYTES, ChaosNode } from './upstream-nodes.ts';
import type { Mood } from './upstream-nodes.ts';

export interface UpstreamChaosOptions {
  readonly seconds: number;
  readonly clients: number;
  readonly seed: number;
  readonly say?: (text: string) => void;
}

export interface UpstreamChaosReport {
  /** Answers by method and status; `cut` for one that broke off, `late` for none in time. */
  readonly answers: Readonly<Record<string, number>>;
  /** Requests that each node got, and how often each mood came up. */
  readonly requests: readonly number[];
  readonly moods: Readonly<Record<string, number>>;
  /** Answers of another request. */
  readonly wrong: number;
  /** Bytes that clients were promised and got. */
  readonly bytes: number;
}

const NODES = 4;
/** Of the gateway, for each node: a node that is well may be slow where all of this shares two cores. */
const TIMEOUT_S = 2;
/** All nodes may have to be tried, on a machine that does other things, too. */
const LATE_MS = (NODES * TIMEOUT_S + 10) * 1000;
const MOODS: readonly Mood[] = ['dead', 'hanging', 'resetting-head', 'resetting-body'];
const PAUSE_MS_MAX = 800;

/**
 * The first node stays well: were it only that one of them is at any moment, a request could come to each
 * when it is not.
 */
export async function runUpstreamChaos(
  options: UpstreamChaosOptions,
): Promise<UpstreamChaosReport> {
  const nodes = await Promise.all(Array.from({ length: NODES }, () => new ChaosNode().start()));
  const gateway = await startGateway(nodes);
  const report = { answers: {}, requests: [], moods: {}, wrong: 0, bytes: 0 } as {
    answers: Record<string, number>;
    requests: number[];
    moods: Record<string, number>;
    wrong: number;
    bytes: number;
  };
  const stop = new AbortController();
  const clients = Array.from({ length: options.clients }, (_, n) =>
    askOn(gateway.port, n % 4 === 3 ? 'POST' : 'GET', report, stop.signal),
  );
  try {
    await changeMoods(nodes, options, report.moods);
  } finally {
    stop.abort();
    await Promise.all(clients);
    await gateway.stop();
    await Promise.all(nodes.map((node) => node.stop()));
  }
  return { ...report, requests: nodes.map(({ requests }) => requests) };
}

/** Sentences about what must not happen. */
export function upstreamProblems({ answers, wrong }: UpstreamChaosReport): readonly string[] {
  const problems = wrong === 0 ? [] : [`${wrong} answers were those of other requests`];
  for (const [key, count] of Object.entries(answers)) {
    const [method = '', outcome = ''] = key.split(' ');
    if (outcome === 'late' || outcome === 'refused') problems.push(`${key}: ${count}`);
    // an answer that has begun cannot be begun again: GETs may be cut, but not fail
    const mayFail = method === 'POST' ? ['200', 'cut', '502', '504'] : ['200', 'cut'];
    if (!mayFail.includes(outcome)) problems.push(`${key}: ${count}`);
  }
  return [...new Set(problems)];
}

async function startGateway(nodes: readonly ChaosNode[]) {
  const folder = await mkdtemp(join(tmpdir(), 'upstream-chaos-'));
  const file = join(folder, 'config.yaml');
  await writeFile(file, configText(folder));
  const log = createLogger({
    level: 'error',
    format: 'text',
    service: 'chaos',
    stream: { write: () => true },
  });
  const store = openEmbeddedStore({ file: ':memory:', log });
  await store.put('/routes/1', { id: '1', uri: '/*', upstream: upstreamOver(nodes) });
  const plane = await startDataPlane({ config: loadConfig(file, {}), store, log });
  await plane.serving;
  return {
    port: plane.listen[0]?.port ?? 0,
    async stop() {
      await plane.stop(2000);
      await store.close();
      await rm(folder, { recursive: true });
    },
  };
}

function configText(folder: string): string {
  return `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], enable_control: false, ssl: { enable: false } }
deployment: { role: traditional, role_traditional: { config_provider: embedded } }
nginx_config: { worker_processes: 2, error_log: ${folder}/error.log, http: { access_log: 'off' } }
polygate: { run_dir: ${folder}, data_dir: ${folder} }
plugin_attr: { prometheus: { enable_export_server: false } }
`;
}

function upstreamOver(nodes: readonly ChaosNode[]): object {
  // one slow probe must not take the node away that is well: a request tries healthy nodes only
  const limits = { http_failures: 1, tcp_failures: 1, timeouts: 3 };
  return {
    type: 'roundrobin',
    nodes: Object.fromEntries(nodes.map(({ address }) => [address, 1])),
    retries: NODES,
    timeout: { connect: TIMEOUT_S, send: TIMEOUT_S, read: TIMEOUT_S },
    checks: {
      active: {
        http_path: '/probe',
        timeout: TIMEOUT_S,
        healthy: { interval: 1, successes: 1 },
        unhealthy: { interval: 1, ...limits },
      },
    },
  };
}

async function changeMoods(
  nodes: readonly ChaosNode[],
  { seconds, seed, say = () => undefined }: UpstreamChaosOptions,
  moods: Record<string, number>,
): Promise<void> {
  const random = randomFrom(seed);
  const endMs = performance.now() + seconds * 1000;
  for (let turn = 0; performance.now() < endMs; turn++) {
    await sleep(random() * PAUSE_MS_MAX);
    const node = nodes[1 + Math.floor(random() * (nodes.length - 1))] as ChaosNode;
    // each mood comes up once at least
    const ill = MOODS[turn < MOODS.length ? turn : Math.floor(random() * MOODS.length)] as Mood;
    const mood = node.mood === 'well' ? ill : 'well';
    await node.become(mood);
    moods[mood] = (moods[mood] ?? 0) + 1;
    say(`${node.address} is ${mood}`);
  }
}

async function askOn(
  port: number,
  method: 'GET' | 'POST',
  report: { answers: Record<string, number>; wrong: number; bytes: number },
  signal: AbortSignal,
): Promise<void> {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  for (let n = 0; !signal.aborted; n++) {
    const path = `/${method}/${n}/${Math.random()}`;
    const { outcome, shownPath, bytes } = await ask({ port, method, path, agent });
    const key = `${method} ${outcome}`;
    report.answers[key] = (report.answers[key] ?? 0) + 1;
    report.bytes += bytes;
    if (outcome === '200' && (shownPath !== path || bytes !== BODY_BYTES)) report.wrong += 1;
  }
  agent.destroy();
}

function ask(
  options: http.RequestOptions,
): Promise<{ outcome: string; shownPath: unknown; bytes: number }> {
  return new Promise((resolve) => {
    let bytes = 0;
    let shownPath: unknown;
    const end = (outcome: string): void => {
      clearTimeout(timer);
      resolve({ outcome, shownPath, bytes });
    };
    const timer = setTimeout(() => {
      end('late');
      sent.destroy();
    }, LATE_MS);
    const sent = http.request({ host: '127.0.0.1', ...options }, (response) => {
      shownPath = response.headers['x-path'];
      response.on('data', (chunk: Buffer) => (bytes += chunk.length));
      response.on('error', () => end('cut'));
      response.on('end', () => end(response.complete ? String(response.statusCode) : 'cut'));
    });
    sent.on('error', () => end('refused'));
    sent.end(options.method === 'POST' ? 'a body' : undefined);
  });
}

if (import.meta.main) {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '120' },
      clients: { type: 'string', default: '16' },
      seed: { type: 'string', default: '1' },
    },
  });
  const report = await runUpstreamChaos({
    seconds: Number(values.seconds),
    clients: Number(values.clients),
    seed: Number(values.seed),
    say: console.log,
  });
  console.log(report);
  const problems = upstreamProblems(report);
  for (const problem of problems) console.error(problem);
  process.exit(problems.length === 0 ? 0 : 1);
}
