import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fakeRunnerCommand } from '@polygate/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

// What a client sees when the runner is not what it should be: 503, or the upstream's answer where the
// route says `allow_degradation`. Never a hang, never an answer that pretends all is well.

const KEY = 'key-of-this-test-only';
let running: { service: ServiceProcess; folder: string } | undefined;

afterEach(async () => {
  await running?.service.stop('SIGKILL');
  if (running !== undefined) await rm(running.folder, { recursive: true });
  running = undefined;
});

describe('a request through ext-plugin-pre-req', () => {
  test.each([
    ['is not configured', ''],
    ['cannot be found', 'ext-plugin: { cmd: [/nowhere/runner] }'],
    ['cannot be executed', 'ext-plugin: { cmd: [/etc/hostname] }'],
    ['exits at once', 'ext-plugin: { cmd: ["false"] }'],
    ['crashes in the middle of a call', commandYaml(fakeRunnerCommand('crash-mid-call'))],
  ])('answers 503 when the runner %s, or passes it where the route allows', async (_, yaml) => {
    await expectFailure(yaml);
  });

  test('answers 503 when the runner answers garbage, or passes it where the route allows', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'polygate-garbage-'));
    const socket = path.join(folder, 'runner.sock');
    const garbage = createServer((connection) => {
      connection.on('error', () => undefined);
      connection.once('data', () => connection.write(Buffer.alloc(64, 0xff)));
    });
    await new Promise<void>((resolve) => garbage.listen(socket, resolve));
    await expectFailure(`ext-plugin: { path_for_test: ${socket} }`);
    garbage.close();
    await rm(folder, { recursive: true });
  });
});

function commandYaml(command: readonly string[]): string {
  return `ext-plugin: { cmd: ${JSON.stringify(command)} }`;
}

async function expectFailure(yaml: string): Promise<void> {
  const gateway = await start(yaml);
  const strict = await fetch(`${gateway}/strict`);
  expect(strict.status).toBe(503);
  const lenient = await fetch(`${gateway}/lenient`);
  expect([lenient.status, ((await lenient.json()) as { uri: string }).uri]).toEqual([
    200,
    '/lenient',
  ]);
}

/** With the routes `/strict` and `/lenient`; answers the gateway's URL. */
async function start(yaml: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'polygate-failures-'));
  const file = path.join(folder, 'config.yaml');
  await writeFile(file, configText(yaml));
  const service = startService('tools/start.ts', ['--config', file]);
  running = { service, folder };
  const [, gateway = ''] = await service.line(/Polygate serves on (http:\S+)/);
  const [, admin = ''] = await service.line(/Admin API on (http:\S+)/);
  const call = async (method: string, pathname: string, body?: object): Promise<Response> =>
    fetch(`${admin}${pathname}`, {
      method,
      headers: { 'X-API-KEY': KEY },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const sample = (await (await call('GET', '/routes/hello')).json()) as {
    value: { upstream: object };
  };
  for (const [name, allow] of [
    ['strict', false],
    ['lenient', true],
  ] as const) {
    const plugin = { conf: [{ name: 'any', value: '{}' }], allow_degradation: allow };
    const route = {
      uri: `/${name}`,
      upstream: sample.value.upstream,
      plugins: { 'ext-plugin-pre-req': plugin },
    };
    expect((await call('PUT', `/routes/${name}`, route)).status).toBe(201);
  }
  const isServed = async (): Promise<boolean> => (await fetch(`${gateway}/lenient`)).status !== 404;
  while (!(await isServed())) await new Promise((resolve) => setTimeout(resolve, 20));
  return gateway;
}

function configText(more: string): string {
  return `
apisix: { node_listen: [{ ip: 127.0.0.1, port: 0 }], enable_control: false }
deployment:
  admin:
    admin_listen: { ip: 127.0.0.1, port: 0 }
    admin_key: [{ name: admin, key: ${KEY}, role: admin }]
nginx_config: { worker_processes: 1 }
plugin_attr: { prometheus: { enable_export_server: false } }
polygate:
  sample: true
  echo_upstream: { ip: 127.0.0.1, port: 0 }
${more}
`;
}
