import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connectRunnerService, type RunnerConnectResponse } from '@polygate/rpc';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { ADMIN_KEY, type RunningAdminApi, runAdminApi, VIEWER_KEY } from '../admin-api.harness.ts';

const ROOT = path.resolve(import.meta.dirname, '../../../..');
const MANAGER = path.join(ROOT, 'apps/runner-manager/src/main.ts');
const RUNNER = path.join(ROOT, 'libs/plugin-runner/src/main.ts');
const waitFor = { timeout: 20_000, interval: 50 };
const NOBODY = 'unix:/nonexistent/m.sock';

let folder: string;
let manager: ChildProcess;
let output = '';
let api: RunningAdminApi;
let address: string;

// A real runner manager, as a process, with the TypeScript runner.
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'pg-runners-'));
  address = `unix:${folder}/m.sock`;
  const file = path.join(folder, 'config.yaml');
  writeFileSync(
    file,
    `
deployment:
  role_traditional: { config_provider: embedded }
ext-plugin: { cmd: ${JSON.stringify([process.execPath, RUNNER])} }
polygate:
  run_dir: ${folder}/r
  data_dir: ${folder}/data
  runner_manager: { listen: '${address}' }
  runners: [{ name: elsewhere, address: 'unix:${folder}/none.sock' }]
`,
  );
  manager = spawn(process.execPath, [MANAGER, '--config', file]);
  for (const stream of [manager.stdout, manager.stderr]) {
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  }
  await vi.waitFor(() => expect(output).toContain('runner manager on'), waitFor);
  api = await runAdminApi({
    more: `  runner_manager: { addresses: ['${address}', '${NOBODY}'] }`,
  });
  await vi.waitFor(async () => expect((await one()).state).toBe('ready'), waitFor);
}, 40_000);

afterAll(async () => {
  await api.stop();
  const ended = new Promise((resolve) => manager.once('exit', resolve));
  manager.kill('SIGTERM');
  await ended;
  rmSync(folder, { recursive: true, force: true });
});

async function one() {
  const { status, body } = await api.call('GET', '/polygate/runners/default');
  expect(status).toBe(200);
  expect(body.total).toBe(1);
  return body.list[0];
}

/** Makes calls, one after the other, until `enough` is true. */
async function callWhile(enough: () => boolean): Promise<void> {
  const client = connectRunnerService({ address });
  const stream = client.connect();
  stream.on('error', () => undefined);
  let answered: (() => void) | undefined;
  stream.on('data', ({ frames }: RunnerConnectResponse) => {
    if (frames.length > 0) answered?.();
  });
  const value = {
    ...{ conf: { key: 'route#1#x#1', plugins: [{ name: 'add-header', value: '' }] } },
    ...{ method: 'GET', path: '/', args: [], headers: [], sourceIp: Buffer.from([127, 0, 0, 1]) },
    ...{ timeoutMs: 0, runner: '', retries: 0, traceparent: '', tracestate: '', known: undefined },
  };
  for (let callId = 1; callId < 10_000 && !enough(); callId += 1) {
    const done = new Promise<void>((resolve) => (answered = resolve));
    stream.write({ frames: [{ callId, frame: { $case: 'requestCall', value } }] });
    await done;
  }
  stream.cancel();
  client.close();
  expect(enough()).toBe(true);
}

test('all runners of all managers are listed, and a manager that is away is named', async () => {
  const { status, body } = await api.call('GET', '/polygate/runners');
  expect(status).toBe(200);
  expect(body.list.map((runner: { name: string }) => runner.name)).toEqual([
    'default',
    'elsewhere',
  ]);
  expect(body.list[0]).toMatchObject({
    manager: address,
    generation: 1,
    state: 'ready',
    instances: [{ index: 0, state: 'ready', pid: expect.any(Number) }],
  });
  expect(body.unreachable).toEqual([{ manager: NOBODY, error_msg: expect.any(String) }]);
});

test('calls show up by plugin', async () => {
  let calls = 0;
  await callWhile(() => calls++ >= 5);
  expect((await one()).plugin_calls).toEqual([
    {
      plugin: 'add-header',
      calls: 5,
      failures: 0,
      p50_us: expect.any(Number),
      p99_us: expect.any(Number),
    },
  ]);
});

test('what there is not is a 404, and nobody to ask a 503', async () => {
  for (const [method, at] of [
    ['GET', ''],
    ['POST', '/restart'],
    ['GET', '/logs'],
    ['POST', '/record'],
  ] as const) {
    const reply = await api.call(method, `/polygate/runners/nothing${at}`);
    expect(reply.status).toBe(404);
    expect(reply.body.error_msg).toBe('there is no runner "nothing"');
  }
  const alone = await runAdminApi({ more: `  runner_manager: { addresses: ['${NOBODY}'] }` });
  try {
    for (const at of ['', '/default', '/default/logs']) {
      const reply = await alone.call('GET', `/polygate/runners${at}`);
      expect(reply.status).toBe(503);
      expect(reply.body.error_msg).toBe('no runner manager can be reached');
      expect(reply.body.errors).toEqual([{ manager: NOBODY, error_msg: expect.any(String) }]);
    }
  } finally {
    await alone.stop();
  }
});

test('a viewer may look, and nothing else', async () => {
  const init = { headers: { 'X-API-KEY': VIEWER_KEY } };
  expect((await api.call('GET', '/polygate/runners', undefined, init)).status).toBe(200);
  for (const what of ['restart', 'record']) {
    const at = `/polygate/runners/default/${what}`;
    expect((await api.call('POST', at, undefined, init)).status).toBe(401);
  }
});

test('a restart makes a new generation, is audited, and impossible for an address', async () => {
  const before = await one();
  const reply = await api.call('POST', '/polygate/runners/default/restart');
  expect(reply.body).toEqual({ list: [{ manager: address, generation: before.generation + 1 }] });
  const after = await one();
  expect(after.generation).toBe(before.generation + 1);
  expect(after.instances[0].pid).not.toBe(before.instances[0].pid);
  expect(after.recent_restarts.at(-1)).toMatchObject({ reason: 'restart asked for' });
  expect(api.lines).toContain('audit: admin asked for a restart of runner default');
  const refused = await api.call('POST', '/polygate/runners/elsewhere/restart');
  expect(refused.status).toBe(409);
  expect(refused.body.error_msg).toContain('runner elsewhere is not a process of ours');
});

test.each([
  ['application/json', 'application/x-ndjson', /^\{.*"text":".*listening on/m],
  ['text/event-stream', 'text/event-stream', /^data: \{.*"text":".*listening on.*\}\n\n/m],
])('the log is followed as lines or events (Accept: %s)', async (accept, type, expected) => {
  const gone = new AbortController();
  const response = await fetch(`${api.url}/apisix/admin/polygate/runners/default/logs`, {
    headers: { 'X-API-KEY': ADMIN_KEY, Accept: accept },
    signal: gone.signal,
  });
  expect(response.headers.get('Content-Type')).toContain(type);
  let text = '';
  const reading = (async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  })();
  reading.catch(() => undefined);
  await vi.waitFor(() => expect(text).toMatch(expected), waitFor);
  const before = text.length;
  await api.call('POST', '/polygate/runners/default/restart');
  await vi.waitFor(() => expect(text.slice(before)).toMatch(expected), waitFor);
  gone.abort();
});

test('a recording ends by itself: after its calls, or its time', async () => {
  const call = fetch(`${api.url}/apisix/admin/polygate/runners/default/record`, {
    method: 'POST',
    headers: { 'X-API-KEY': ADMIN_KEY },
    body: JSON.stringify({ calls: 2, plugin: 'add-header' }),
  });
  let text: string | undefined;
  void call.then(async (response) => (text = await response.text()));
  await callWhile(() => text !== undefined);
  const calls = (text ?? '')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as object);
  // the manager that is away was not asked, for it was away before
  expect(calls).toMatchObject([
    {
      manager: address,
      runner: 'default',
      failure: '',
      conf: { key: 'route#1#x#1', plugins: [{ name: 'add-header', value: '' }] },
      frames: [
        { is_sent: true, frame: expect.stringMatching(/^Ag/) },
        { is_sent: false, frame: expect.stringMatching(/^Ag/) },
      ],
    },
    {},
  ]);
  expect(api.lines).toContain('audit: admin asked for a recording of calls to runner default');
  const timed = await api.call('POST', '/polygate/runners/default/record', { timeout_ms: 30 });
  expect([timed.status, timed.text]).toEqual([200, '']);
});

test.each([
  [{ calls: 0 }, 'calls'],
  [{ calls: 1001 }, 'calls'],
  [{ trace_id: 'x' }, 'trace_id'],
  [{ more: 1 }, 'more'],
  ['[1]', 'invalid recording'],
])('400 names what is wrong with a recording (%#)', async (body, why) => {
  const reply = await api.call('POST', '/polygate/runners/default/record', body);
  expect(reply.status).toBe(400);
  expect(reply.body.error_msg).toContain(why);
});

test('the end of the Admin API ends what is watched', async () => {
  const other = await runAdminApi({ more: `  runner_manager: { addresses: ['${address}'] }` });
  const response = await fetch(`${other.url}/apisix/admin/polygate/runners/default/logs`, {
    headers: { 'X-API-KEY': ADMIN_KEY },
  });
  const ended = response.text();
  await other.stop();
  await expect(ended).resolves.toContain('"manager"');
});
