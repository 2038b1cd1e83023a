import { connectControlService, type ControlConnectResponse } from '@polygate/rpc';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type RunningAdminApi, runAdminApi, VIEWER_KEY } from '../admin-api.harness.ts';
import { OpenQuestions } from './open-questions.ts';

let api: RunningAdminApi;
const cleanups: (() => unknown)[] = [];

beforeEach(async () => {
  api = await runAdminApi();
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  await api.stop();
});

type Question = Extract<
  NonNullable<ControlConnectResponse['command']>,
  { $case: 'explain' }
>['value'];

/** A data plane that answers as it is told; undefined: not at all. */
async function connect(
  instanceId: string,
  answer: (question: Question) => { document?: string; failure?: string } | undefined,
): Promise<{ leave: () => void }> {
  const client = connectControlService({ address: api.controlAddress });
  const stream = client.connect();
  cleanups.push(() => {
    stream.cancel();
    client.close();
  });
  stream.on('error', () => undefined);
  stream.on('data', ({ command }: ControlConnectResponse) => {
    if (command?.$case !== 'explain') return;
    const { questionId } = command.value;
    const answered = answer(command.value);
    if (answered === undefined) return;
    const { document, failure = '' } = answered;
    const outcome =
      document === undefined
        ? { $case: 'failure' as const, value: failure }
        : { $case: 'document' as const, value: document };
    stream.write({ report: { $case: 'explanation', value: { questionId, outcome } } });
  });
  const hello = { instanceId, hostname: 'host', version: '1.0' };
  stream.write({ report: { $case: 'hello', value: hello } });
  await vi.waitFor(async () => {
    const { body } = await api.call('GET', '/polygate/data-planes');
    expect(body.list.map((one: { instance_id: string }) => one.instance_id)).toContain(instanceId);
  });
  return { leave: () => stream.end() };
}

const ask = (body: unknown, init?: RequestInit) =>
  api.call('POST', '/polygate/explain', body, init);

test('a question reaches a data plane, and its document comes back', async () => {
  let asked: Question | undefined;
  await connect('dp-1', (question) => {
    asked = question;
    return { document: '{"revision":7}' };
  });
  const reply = await ask({
    method: 'POST',
    uri: '/a?b=1',
    host: 'a.test',
    headers: { 'X-Y': ['1', '2'] },
    client_ip: '10.0.0.1',
    consumer: 'jack',
    body_args: { a: 'b c' },
  });
  expect(reply.status).toBe(200);
  expect(reply.body).toEqual({ data_plane: 'dp-1', revision: 7 });
  expect(asked).toEqual({
    questionId: expect.any(Number),
    method: 'POST',
    target: '/a?b=1',
    headers: [
      { name: 'X-Y', value: '1' },
      { name: 'X-Y', value: '2' },
      { name: 'Host', value: 'a.test' },
      { name: 'Content-Type', value: 'application/x-www-form-urlencoded' },
    ],
    clientAddress: '10.0.0.1',
    scheme: 'http',
    consumer: 'jack',
    body: Buffer.from('a=b+c'),
  });
});

test('a viewer may ask, and still may not write', async () => {
  await connect('dp-1', () => ({ document: '{}' }));
  const init = { headers: { 'X-API-KEY': VIEWER_KEY } };
  expect((await ask({ uri: '/' }, init)).status).toBe(200);
  expect((await api.call('PUT', '/polygate/explain', { uri: '/' }, init)).status).toBe(401);
  expect((await api.call('PUT', '/routes/1', {}, init)).status).toBe(401);
  expect((await ask({ uri: '/' }, { headers: { 'X-API-KEY': 'wrong' } })).status).toBe(401);
});

test('one data plane can be named', async () => {
  await connect('dp-1', () => ({ document: '{"n":1}' }));
  await connect('dp-2', () => ({ document: '{"n":2}' }));
  expect((await ask({ uri: '/', data_plane: 'dp-2' })).body).toEqual({ data_plane: 'dp-2', n: 2 });
  expect((await ask({ uri: '/', data_plane: 'dp-3' })).status).toBe(404);
});

test('503 when no data plane is connected, 502 when it has no answer or leaves', async () => {
  const nobody = await ask({ uri: '/' });
  expect(nobody.status).toBe(503);
  expect(nobody.body.error_msg).toContain('no data plane is connected');
  const first = await connect('dp-1', () => ({ failure: 'no worker is serving yet' }));
  const failed = await ask({ uri: '/' });
  expect([failed.status, failed.body.error_msg]).toEqual([
    502,
    'data plane dp-1 cannot explain it: no worker is serving yet',
  ]);
  first.leave();
  const second = await connect('dp-2', () => {
    second.leave();
    return undefined;
  });
  expect((await ask({ uri: '/', data_plane: 'dp-2' })).status).toBe(502);
});

test.each([
  [undefined, 'invalid question'],
  [{}, 'uri'],
  [{ uri: '' }, 'uri'],
  [{ uri: '/a b' }, 'uri'],
  [{ uri: `/${'a'.repeat(9000)}` }, 'uri'],
  [{ uri: '/', method: 'G T' }, 'method'],
  [{ uri: '/', headers: { 'a b': '1' } }, 'headers'],
  [{ uri: '/', headers: { a: '1\r\nb: 2' } }, 'headers'],
  [{ uri: '/', client_ip: 'localhost' }, 'client_ip'],
  [{ uri: '/', scheme: 'ftp' }, 'scheme'],
  [{ uri: '/', body: 'a', body_args: {} }, 'body'],
  [{ uri: '/', body: 'a'.repeat(70_000) }, 'body'],
  [{ uri: '/', more: 1 }, 'more'],
])('400 names what is wrong with the question (%#)', async (question, why) => {
  const reply = await ask(question);
  expect(reply.status).toBe(400);
  expect(reply.body.error_msg).toContain(why);
});

test('OpenQuestions gives up on a late answer, and takes no more than its number', async () => {
  const questions = new OpenQuestions(1);
  let id = 0;
  const first = questions.ask((questionId) => (id = questionId), 30);
  expect(await questions.ask(() => undefined, 30)).toEqual({ kind: 'busy' });
  expect(await first).toEqual({ kind: 'late' });
  questions.answer({ questionId: id, outcome: { $case: 'document', value: '{}' } });
  const second = questions.ask((questionId) => (id = questionId), 10_000);
  questions.answer({ questionId: id, outcome: { $case: 'document', value: '{}' } });
  expect(await second).toEqual({ kind: 'document', text: '{}' });
});
