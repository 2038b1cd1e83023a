// Does the stack of docker-compose.yml do what it should? Start it first:
//   docker compose up --detach --build --scale data-plane=3
//   node tools/compose-smoke/compose-smoke.ts [--planes 3] [--within-ms 1000] [--stop]
//
// Asks a running stack from outside, a few requests at a time; kills a data plane and the runner
// manager on the way. `--stop` stops the stack at the end and looks how it ended. Ends with 1 at the
// first thing that is not as it should be. No part of `npm test`: it needs Docker.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openCompose, serviceOf, type Container } from './compose.ts';

const { values: options } = parseArgs({
  options: {
    /** How many data planes there are at least. */
    planes: { type: 'string', default: '3' },
    /** How soon after a change every data plane has to serve it. */
    'within-ms': { type: 'string', default: '1000' },
    stop: { type: 'boolean', default: false },
  },
});

const REQUEST_TIMEOUT_MS = 3000;
const WAIT_MS_MAX = 90_000;
const POLL_MS = 20;
const MARK = 'changed';
const KEY_FILE = '/var/lib/polygate/admin.key';
const SERVICES = ['admin-api', 'data-plane', 'echo', 'etcd', 'runner-manager'] as const;

const compose = openCompose();
const id = `compose-smoke-${randomBytes(4).toString('hex')}`;
/** One whose requests the plugin of the runner marks with `mark`. */
const routeWith = (mark: string) => ({
  uri: `/${id}/*`,
  upstream: { type: 'roundrobin', nodes: { 'echo:1980': 1 } },
  plugins: {
    'ext-plugin-pre-req': {
      conf: [{ name: 'add-header', value: JSON.stringify({ 'X-Runner': mark }) }],
    },
  },
});

/** Waiting does not help: ends `until` at once. */
class Broken extends Error {}

const steps: readonly (readonly [string, () => Promise<string | void>])[] = [
  ['all services are healthy', allHealthy],
  ['nothing is published but on 127.0.0.1', publishedOnLoopback],
  ['no service is root, may write its image or has capabilities', confined],
  ['the Admin API lets nobody in without a key', refusesWithoutKey],
  ['every data plane serves a new route through the plugin runner', servesNewRoute],
  [`every data plane serves a changed route within ${options['within-ms']} ms`, servesChangedRoute],
  ['a killed data plane comes back while the others serve', planeComesBack],
  ['a killed runner manager comes back, and plugins run again', runnerManagerComesBack],
  ['every data plane forgets a deleted route', forgetsRoute],
  ...(options.stop ? [['all services stop in order', stopsInOrder] as const] : []),
];

console.log(`with ${compose.name}`);
for (const [sentence, step] of steps) {
  try {
    const detail = await step();
    console.log(`ok    ${sentence}${detail === undefined ? '' : ` (${detail})`}`);
  } catch (error) {
    console.error(`FAIL  ${sentence}: ${error instanceof Error ? error.message : String(error)}`);
    await admin('DELETE').catch(() => console.error(`the route ${id} may have been left behind`));
    process.exit(1);
  }
}

async function allHealthy(): Promise<string> {
  const containers = await until('all services are healthy', async () => {
    const found = await compose.containers();
    for (const service of SERVICES) {
      const mine = found.filter((container) => serviceOf(container) === service);
      const least = service === 'data-plane' ? Number(options.planes) : 1;
      assert.ok(mine.length >= least, `${service}: ${mine.length} containers, not ${least}`);
      for (const { Name, State } of mine) {
        const is = State.Health?.Status ?? State.Status;
        assert.equal(is, 'healthy', `${Name} is ${is}`);
      }
    }
    return found;
  });
  return `${containers.length} containers`;
}

async function publishedOnLoopback(): Promise<string> {
  const published: string[] = [];
  for (const { Name, NetworkSettings } of await compose.containers()) {
    for (const [port, bindings] of Object.entries(NetworkSettings.Ports)) {
      for (const { HostIp } of bindings ?? []) {
        assert.equal(HostIp, '127.0.0.1', `${Name} publishes ${port} on ${HostIp}`);
        published.push(port);
      }
    }
  }
  return `${published.length} ports`;
}

async function confined(): Promise<void> {
  for (const { Name, Config, HostConfig } of await compose.containers()) {
    assert.ok(!['', '0', 'root'].includes(Config.User.split(':', 1)[0] ?? ''), `${Name} is root`);
    assert.equal(HostConfig.ReadonlyRootfs, true, `${Name} may write its image`);
    assert.deepEqual(HostConfig.CapDrop, ['ALL'], `${Name} has capabilities`);
    const rules = HostConfig.SecurityOpt ?? [];
    assert.ok(
      rules.some((rule) => /^no-new-privileges(:true)?$/.test(rule)),
      `${Name} may gain privileges`,
    );
  }
}

async function refusesWithoutKey(): Promise<void> {
  const { status } = await admin('GET', { key: '' });
  assert.equal(status, 401);
}

async function servesNewRoute(): Promise<string> {
  const addresses = await planeAddresses();
  const { status, text } = await admin('PUT', { body: routeWith('typescript') });
  assert.equal(status, 201, text);
  const tookMs = await reachedMs(addresses, 'typescript');
  return `${addresses.join(', ')} after ${tookMs.join(', ')} ms`;
}

/** Timed, unlike the first: then every worker loads what it has not used yet. */
async function servesChangedRoute(): Promise<string> {
  const addresses = await planeAddresses();
  const { status, text } = await admin('PUT', { body: routeWith(MARK) });
  assert.equal(status, 200, text);
  const tookMs = await reachedMs(addresses, MARK);
  const took = `after ${tookMs.join(', ')} ms`;
  assert.ok(Math.max(...tookMs) <= Number(options['within-ms']), took);
  return took;
}

/** How long each takes from now on until its requests have the mark. */
async function reachedMs(addresses: readonly string[], mark: string): Promise<number[]> {
  const startMs = performance.now();
  return Promise.all(
    addresses.map(async (address) => {
      await throughRunner(address, mark);
      return Math.round(performance.now() - startMs);
    }),
  );
}

async function planeComesBack(): Promise<string> {
  const [victim] = await compose.containers('data-plane');
  assert.ok(victim);
  const [, ...addresses] = await planeAddresses();
  await killService(victim);
  let served = 0;
  await until(`${victim.Name} is healthy again`, async () => {
    for (const address of addresses) {
      const answer = await ask(`http://${address}/${id}/other`);
      if (answer.status !== 200) throw new Broken(`${address} answered ${answer.status}`);
      served += 1;
    }
    await restarted(victim);
  });
  // Docker may have given it another port of the range
  const address = await compose.published(victim, 9080);
  await throughRunner(address, MARK);
  return `${served} requests to the others, all answered; it is on ${address}`;
}

async function runnerManagerComesBack(): Promise<void> {
  const [manager] = await compose.containers('runner-manager');
  assert.ok(manager);
  await killService(manager);
  await until(`${manager.Name} is healthy again`, () => restarted(manager));
  await Promise.all((await planeAddresses()).map((address) => throughRunner(address, MARK)));
}

async function forgetsRoute(): Promise<void> {
  const { status, text } = await admin('DELETE');
  assert.equal(status, 200, text);
  for (const address of await planeAddresses()) {
    await until(`${address} forgets the route`, async () => {
      assert.equal((await ask(`http://${address}/${id}/gone`)).status, 404);
    });
  }
}

async function stopsInOrder(): Promise<string> {
  const containers = await compose.containers();
  await compose.run('stop');
  for (const container of containers) {
    const { Name, State } = await compose.inspect(container);
    assert.equal(State.Status, 'exited', `${Name} is ${State.Status}`);
    assert.equal(State.ExitCode, 0, `${Name} ended with ${State.ExitCode}`);
  }
  return `${containers.length} containers ended with code 0`;
}

/** Until the echoed request has the mark that the plugin of the runner puts in. */
async function throughRunner(address: string, mark: string): Promise<void> {
  const uri = `/${id}/hello?x=1`;
  await until(`${address} answers through the runner`, async () => {
    const { status, text } = await ask(`http://${address}${uri}`);
    assert.equal(status, 200, `${status} ${text.slice(0, 200)}`);
    const echoed = JSON.parse(text) as { uri: string; headers: Record<string, string> };
    assert.equal(echoed.uri, uri);
    assert.equal(echoed.headers['x-runner'], mark);
  });
}

async function planeAddresses(): Promise<string[]> {
  const planes = await compose.containers('data-plane');
  return Promise.all(planes.map((plane) => compose.published(plane, 9080)));
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { ...init, signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
  return { status: response.status, text: await response.text() };
}

/** Reads or writes the one route. */
async function admin(
  method: string,
  { body, key }: { body?: unknown; key?: string } = {},
): Promise<Answer> {
  const [container] = await compose.containers('admin-api');
  assert.ok(container);
  const address = await compose.published(container, 9180);
  const configured = process.env['POLYGATE_ADMIN_KEY'] || undefined;
  const apiKey = key ?? configured ?? (await compose.exec(container, ['cat', KEY_FILE]));
  return ask(`http://${address}/apisix/admin/routes/${id}`, {
    method,
    headers: { 'X-API-KEY': apiKey },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

/**
 * Kills the service's process from inside. Docker takes `docker kill` for the wish of an operator,
 * and does not restart what was killed so.
 */
async function killService(container: Container): Promise<void> {
  const script = `
    const { readdirSync, readFileSync } = require('node:fs');
    const isService = (pid) => {
      const stat = readFileSync('/proc/' + pid + '/stat', 'latin1');
      const [, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return parent === '1';
    };
    const pid = readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name)).find(isService);
    process.kill(Number(pid), 'SIGKILL');`;
  await compose.exec(container, ['node', '-e', script]);
}

/** Rejects as long as Docker has not restarted it, or it is not healthy yet. */
async function restarted(before: Container): Promise<void> {
  const { RestartCount, State } = await compose.inspect(before);
  assert.ok(RestartCount > before.RestartCount, `restarted ${RestartCount} times`);
  assert.equal(State.Status, 'running');
  assert.equal(State.Health?.Status, 'healthy');
}

/** Tries again until it resolves. Rejects with the last reason after WAIT_MS_MAX. */
async function until<Value>(condition: string, attempt: () => Promise<Value>): Promise<Value> {
  const endMs = performance.now() + WAIT_MS_MAX;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (error instanceof Broken) throw error;
      if (performance.now() > endMs) {
        throw new Error(`not within ${WAIT_MS_MAX} ms: ${condition}: ${String(error)}`);
      }
      await sleep(POLL_MS);
    }
  }
}
