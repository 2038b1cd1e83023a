import { connect } from 'node:net';
import type { Socket } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Children } from '../children.ts';
import type { Contender } from '../contender.ts';
import { openAgentHub } from '../gateway/agent-hub.ts';
import type { AgentHub } from '../gateway/agent-hub.ts';
import { polygate } from '../gateway/polygate.ts';
import { openFilesMax } from '../machine.ts';
import type { Target } from '../measure.ts';
import { nginx } from '../peers/nginx.ts';
import { usageOfTree } from '../proc-stat.ts';
import { preparePlace, startTarget, warmUp } from '../run-scenario.ts';
import type { RunOptions } from '../run-scenario.ts';
import { SCENARIOS } from '../scenarios.ts';
import type { Figure } from './figures.ts';

const CONNECTIONS = 10_000;
/** At a time, so that no backlog overflows. */
const OPENING = 200;
const OPEN_FILES_SPARE = 500;
const SETTLE_MS = 2000;
const ANSWER_MS_MAX = 20_000;

/** Resident memory that an open connection takes which has had one answer and waits. */
export async function measureIdleConnections(options: RunOptions): Promise<readonly Figure[]> {
  const openMax = openFilesMax();
  if (openMax < CONNECTIONS + OPEN_FILES_SPARE) {
    throw new Error(
      `ulimit -n is ${openMax} at most: ${CONNECTIONS + OPEN_FILES_SPARE} files are needed`,
    );
  }
  const ours = await measureWith(polygate(), options);
  const theirs = await measureWith(nginx, options);
  const what = `${CONNECTIONS} idle connections: memory of each`;
  return [
    { what, value: ours / 1024, unit: 'KB', goal: 12 },
    { what: `${what} in nginx`, value: theirs / 1024, unit: 'KB', goal: undefined },
  ];
}

async function measureWith(contender: Contender, options: RunOptions): Promise<number> {
  const scenario = SCENARIOS.find(({ name }) => name === 'headers');
  if (scenario === undefined) throw new Error('no scenario to idle after');
  const children = new Children(options.signal);
  const folder = path.join(options.folder, `idle-${contender.name}`);
  const place = await preparePlace({ children, scenario }, { ...options, folder });
  const hub = await openAgentHub(path.join(folder, 'agent.sock'));
  let sockets: Socket[] = [];
  try {
    const target = await startTarget(contender, { ...place, agentSocket: hub.socket });
    await warmUp(children, target, options);
    const asksAgents = contender !== nginx;
    const before = await settledRssBytes(target, asksAgents ? hub : undefined);
    options.say(`opening ${CONNECTIONS} connections to ${contender.name}`);
    sockets = await openIdle(target.load.url, options.signal);
    const after = await settledRssBytes(target, asksAgents ? hub : undefined);
    const gone = sockets.filter(({ destroyed, readyState }) => destroyed || readyState !== 'open');
    if (gone.length > 0) throw new Error(`${contender.name} closed ${gone.length} of them`);
    return (after - before) / CONNECTIONS;
  } finally {
    for (const socket of sockets) socket.destroy();
    await children.stopAll();
    await hub.close();
  }
}

async function settledRssBytes({ child }: Target, hub: AgentHub | undefined): Promise<number> {
  await sleep(SETTLE_MS);
  if (hub !== undefined) {
    await hub.ask('main', 'memory');
    await hub.ask('worker', 'memory');
    await sleep(SETTLE_MS);
  }
  return usageOfTree(child.pid).reduce((sum, { rssBytes }) => sum + rssBytes, 0);
}

async function openIdle(url: string, signal: AbortSignal): Promise<Socket[]> {
  const { hostname, port, pathname } = new URL(url);
  const sockets: Socket[] = [];
  while (sockets.length < CONNECTIONS) {
    signal.throwIfAborted();
    const group = Array.from({ length: OPENING }, () =>
      openOne({ host: hostname, port: Number(port), pathname }),
    );
    sockets.push(...(await Promise.all(group)));
  }
  return sockets;
}

/** Resolves when the first answer has begun to arrive. */
function openOne(to: { host: string; port: number; pathname: string }): Promise<Socket> {
  const { host, port, pathname } = to;
  return new Promise((resolve, reject) => {
    const socket = connect(port, host);
    socket.setTimeout(ANSWER_MS_MAX, () => socket.destroy(new Error('no answer')));
    socket.on('error', reject);
    socket.once('connect', () => socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    socket.on('data', () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}
