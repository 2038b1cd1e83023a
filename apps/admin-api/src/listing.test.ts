import { afterEach, beforeEach, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from './admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
  for (let n = 1; n <= 11; n += 1) {
    await api.call('PUT', `/routes/${n}`, {
      name: `${n}`,
      ...(n === 11 ? { uris: ['/a', '/hello11'] } : { uri: `/hello${n}` }),
      labels: { [`l${n}`]: 'value' },
      ...(n === 3 ? { upstream_id: 1 } : { upstream }),
    });
    if (n === 2) await api.call('PUT', '/upstreams/1', upstream);
  }
});
afterEach(() => api.stop());

const idsOf = async (query: string) => {
  const { body, status } = await api.call('GET', `/routes${query}`);
  expect(status).toBe(200);
  return body.list.map(({ value }: { value: { id: string } }) => value.id) as string[];
};

test('a list has its total and, of each object, key, value and indexes', async () => {
  const { body } = await api.call('GET', '/routes/');
  expect(body.total).toBe(11);
  expect(body.list).toHaveLength(11);
  expect(Object.keys(body.list[0])).toEqual(['key', 'value', 'createdIndex', 'modifiedIndex']);
  expect((await api.call('GET', '/global_rules')).body).toEqual({ total: 0, list: [] });
});

test('pages follow the order of creation, and the total counts all of them', async () => {
  expect(await idsOf('?page=1&page_size=10')).toEqual([
    '1',
    '2',
    '3',
    '4',
    '5',
    '6',
    '7',
    '8',
    '9',
    '10',
  ]);
  expect(await idsOf('?page=2&page_size=10')).toEqual(['11']);
  expect(await idsOf('?page=3&page_size=10')).toEqual([]);
  expect(await idsOf('?page=-1&page_size=10')).toHaveLength(10);
  expect((await api.call('GET', '/routes?page=2&page_size=10')).body.total).toBe(11);
});

test('page and page_size count only together', async () => {
  expect(await idsOf('?page=2')).toHaveLength(11);
  expect(await idsOf('?page_size=3')).toHaveLength(11);
  expect(await idsOf('?page=x&page_size=10')).toHaveLength(11);
});

test('a page of fewer than 10 or more than 500 is refused with a text', async () => {
  for (const size of [2, 501]) {
    const reply = await api.call('GET', `/routes?page=1&page_size=${size}`);
    expect(reply.status).toBe(400);
    expect(reply.text).toBe('page_size must be between 10 and 500');
  }
});

test('name and uri are patterns, label is a whole key', async () => {
  expect(await idsOf('?name=1')).toEqual(['1', '10', '11']);
  expect(await idsOf('?name=%5E1%24')).toEqual(['1']);
  expect(await idsOf('?uri=hello1')).toEqual(['1', '10', '11']);
  expect(await idsOf('?label=l1')).toEqual(['1']);
  expect(await idsOf('?label=value')).toEqual([]);
  expect(await idsOf('?name=1&uri=10&page=1&page_size=10')).toEqual(['10']);
});

test('a pattern that does not compile finds nothing', async () => {
  expect(await idsOf('?name=%28')).toEqual([]);
});

test('filter asks for the value of a field, and passes over fields it does not know', async () => {
  expect(await idsOf('?filter=upstream_id%3D1')).toEqual(['3']);
  expect(await idsOf('?filter=upstream_id%3D2')).toEqual([]);
  expect(await idsOf('?filter=desc%3Dx')).toHaveLength(11);
  expect(await idsOf('?filter=upstream_id%3D1%26service_id%3D1')).toEqual([]);
});
