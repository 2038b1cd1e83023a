import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { startService } from './service-process.ts';
import type { ServiceProcess } from './service-process.ts';

const CONFIG = `
apisix:
  node_listen: [{ ip: 127.0.0.1, port: 0 }]
  ssl: { enable: false }
  enable_control: false
deployment:
  admin: { admin_key_required: false, admin_listen: { ip: 127.0.0.1, port: 0 } }
nginx_config: { worker_processes: 2 }
plugin_attr: { prometheus: { enable_export_server: false } }
polygate: { plugin_dirs: [plugins] }
`;
/** Between the requests of a connection: the gateway is to be busy, the machine not to be full. */
const PAUSE_MS = 2;
/** On a machine that is busy, one look at the files and a thread that tries them take a while. */
const TAKEN = { timeout: 20_000, interval: 100 };

let folder: string;
let service: ServiceProcess;
let gateway: string;
let admin: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'polygate-plugins-'));
  await writeFile(path.join(folder, 'config.yaml'), CONFIG);
  await writePlugin('greet/greet.ts', CODE);
  await writePlugin('greet/greet.schema.ts', schema('string'));
  await writePlugin('greet/words/greeting.ts', greeting('hello'));
  await writePlugin('half-done.ts', 'export default definePlugin(');
  await writePlugin('key-auth.ts', 'throw new Error("never loaded")');
  service = startService('tools/start.ts', ['--config', path.join(folder, 'config.yaml')]);
  gateway = (await service.line(/Polygate serves on (http:\S+)/))[1] ?? '';
  admin = (await service.line(/Admin API on (http:\S+)/))[1] ?? '';
  const put = await call('PUT', '/routes/greet', route('/greet', { greet: { who: 'you' } }));
  expect(put.status).toBe(201);
  await vi.waitFor(async () => expect(await get('/greet')).toBe('200 hello you'), TAKEN);
});
afterAll(async () => {
  await service.stop('SIGKILL');
  await rm(folder, { recursive: true });
});

const CODE = `import { definePlugin } from '@polygate/plugin-sdk';
import { definition, type Conf } from './greet.schema.ts';
import { greeting } from './words/greeting.ts';

export default definePlugin<Conf>(definition, {
  access: (_ctx, { who }) => ({ status: 200, body: \`\${greeting} \${who}\` }),
});
`;
const greeting = (word: string) => `export const greeting: string = '${word}';\n`;
const schema = (type: string) => `import type { PluginDefinition } from '@polygate/plugin-sdk';
export interface Conf { readonly who: string }
export const definition: PluginDefinition<Conf> = {
  name: 'greet', version: 0.1, priority: 50,
  schema: {
    type: 'object', properties: { who: { type: '${type}' } }, required: ['who'],
    encrypt_fields: ['secret'],
  },
  metadataSchema: { type: 'object', properties: { tone: { type: 'string' } } },
};
`;

async function writePlugin(file: string, text: string): Promise<void> {
  const target = path.join(folder, 'plugins', file);
  await mkdir(path.dirname(target), { recursive: true });
  await writeFile(target, text);
}

const route = (uri: string, plugins: object) => ({ uri, plugins });

async function call(method: string, pathname: string, body?: object) {
  const init = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(`${admin}${pathname}`, { method, ...init });
  return { status: response.status, text: await response.text() };
}

async function get(pathname: string): Promise<string> {
  const response = await fetch(`${gateway}${pathname}`);
  return `${response.status} ${(await response.text()).trim()}`;
}

/** Requests over eight connections until told to stop: what each was answered, or failed with. */
function keepAsking(pathname: string): () => Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  const answers: string[] = [];
  let isOver = false;
  const ask = (): Promise<void> =>
    new Promise((resolve) => {
      const end = (answer: string): void => {
        answers.push(answer);
        resolve();
      };
      const sent = request(`${gateway}${pathname}`, { agent }, (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => end(`${response.statusCode} ${text}`));
        response.on('error', (error) => end(error.message));
      });
      sent.on('error', (error) => end(error.message));
      sent.end();
    });
  const asking = Array.from({ length: 8 }, async () => {
    while (!isOver) {
      await ask();
      await setTimeout(PAUSE_MS);
    }
  });
  return async () => {
    isOver = true;
    await Promise.all(asking);
    agent.destroy();
    return answers;
  };
}

test("the schema of a user plugin is the Admin API's to check and to show", async () => {
  const refused = await call('PUT', '/routes/other', route('/other', { greet: { who: 7 } }));
  expect(refused.status).toBe(400);
  expect(refused.text).toContain('failed to check the configuration of plugin greet');
  expect((await call('GET', '/plugins/list')).text).toContain('"greet"');
  expect(JSON.parse((await call('GET', '/plugins/greet')).text)).toMatchObject({
    required: ['who'],
  });
  expect((await call('PUT', '/plugin_metadata/greet', { tone: 5 })).status).toBe(400);
});

test('a change under load reaches every worker, and no request fails', async () => {
  const stop = keepAsking('/greet');
  await writePlugin('greet/words/greeting.ts', greeting('good day'));
  const taken = async () =>
    new Set(await Promise.all(Array.from({ length: 20 }, () => get('/greet'))));
  await expect.poll(taken, TAKEN).toEqual(new Set(['200 good day you']));
  const answers = await stop();
  expect(new Set(answers)).toEqual(new Set(['200 hello you', '200 good day you']));
  expect(answers.length).toBeGreaterThan(100);
});

test('a change that is broken leaves the last good version, until it is repaired', async () => {
  const before = await get('/greet');
  const stop = keepAsking('/greet');
  await writePlugin('greet/words/greeting.ts', 'export const greeting: string = ;\n');
  await service.line(/user plugin \[greet\] cannot be loaded .*greeting\.ts:1.*last good version/);
  await writePlugin('greet/words/greeting.ts', `${greeting('no')}throw new Error("not today");\n`);
  await service.line(/user plugin \[greet\] cannot be loaded .*not today/);
  expect(await get('/greet')).toBe(before);
  await writePlugin('greet/words/greeting.ts', greeting('welcome'));
  await expect.poll(() => get('/greet'), TAKEN).toBe('200 welcome you');
  const answers = await stop();
  expect(new Set(answers)).toEqual(new Set([before, '200 welcome you']));
});

test('a plugin that never worked is none, until it does', async () => {
  expect(service.output()).toMatch(/user plugin \[half-done\] cannot be loaded .* it never worked/);
  expect(service.output()).toContain('Polygate has a plugin [key-auth] of its own');
  const put = () => call('PUT', '/routes/half', route('/half', { 'half-done': {} }));
  expect((await put()).text).toContain('unknown plugin [half-done]');
  await writePlugin(
    'half-done.ts',
    CODE.replace(/import .*Conf.*\n/, '')
      .replace(/import .*greeting.*\n/, '')
      .replace(
        '<Conf>(definition',
        `<object>({
      name: 'half-done', version: 1, priority: 3, schema: { type: 'object' } }`,
      )
      .replace('{ who }', '_conf')
      .replace('`${greeting} ${who}`', "'done'"),
  );
  await expect.poll(async () => (await put()).status, TAKEN).toBe(201);
  await expect.poll(() => get('/half'), TAKEN).toBe('200 done');
});

test('a schema that changes holds for writes at once, and for what is stored', async () => {
  await writePlugin('greet/greet.schema.ts', schema('integer'));
  const put = () => call('PUT', '/routes/number', route('/number', { greet: { who: 7 } }));
  await expect.poll(async () => (await put()).status, TAKEN).toBe(201);
  await expect.poll(() => get('/number'), TAKEN).toBe('200 welcome 7');
  await service.line(/failed to check \/routes\/greet .*its last good version stays/);
});

test("a list that is written names users' plugins too", async () => {
  await writeFile(path.join(folder, 'config.yaml'), `${CONFIG}plugins: [half-done, echo]\n`);
  expect((await call('PUT', '/plugins/reload')).status).toBe(200);
  expect((await call('GET', '/plugins/list')).text).toBe('["echo","half-done"]\n');
  // without its plugin, as with any that is not enabled: there is no upstream to go to
  await expect.poll(() => get('/number'), TAKEN).toMatch(/^503 /);
  expect(await get('/half')).toBe('200 done');
  await writeFile(path.join(folder, 'config.yaml'), CONFIG);
  expect((await call('PUT', '/plugins/reload')).status).toBe(200);
  await expect.poll(() => get('/number'), TAKEN).toBe('200 welcome 7');
});
