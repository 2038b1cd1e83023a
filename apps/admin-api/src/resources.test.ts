import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runAdminApi, type RunningAdminApi } from './admin-api.harness.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
const route = { uri: '/hello', upstream };

let api: RunningAdminApi;
beforeEach(async () => {
  api = await runAdminApi();
});
afterEach(() => api.stop());

const put = async (path: string, body: unknown) => {
  const reply = await api.call('PUT', path, body);
  expect(reply).toMatchObject({ status: expect.toBeOneOf([200, 201]) });
  return reply;
};
const error = (reply: { status: number; body: { error_msg?: string } }) =>
  `${reply.status} ${reply.body.error_msg}`;

describe('PUT', () => {
  test('answers 201 for a new object and 200 for a replaced one, with key and value', async () => {
    const created = await api.call('PUT', '/routes/1', route);
    expect(created.status).toBe(201);
    expect(created.body).toEqual({
      key: '/apisix/routes/1',
      value: {
        ...route,
        id: '1',
        create_time: expect.any(Number),
        update_time: expect.any(Number),
      },
    });
    expect(created.headers.get('x-api-version')).toBe('v3');
    expect(created.headers.get('content-type')).toBe('application/json');
    expect(created.text.endsWith('\n')).toBe(true);
    expect((await api.call('PUT', '/routes/1', route)).status).toBe(200);
  });

  test('stores what the client sent, without the defaults of the schema', async () => {
    await put('/routes/1', route);
    const stored = (await api.store.get('/routes/1'))?.value as Record<string, unknown>;
    expect(Object.keys(stored).toSorted()).toEqual(
      ['create_time', 'id', 'update_time', 'upstream', 'uri'].toSorted(),
    );
    expect(stored['upstream']).toEqual(upstream);
  });

  test('takes the id from the body when the path has none, and keeps its type', async () => {
    const { body } = await put('/routes', { ...route, id: 7 });
    expect(body).toMatchObject({ key: '/apisix/routes/7', value: { id: 7 } });
  });

  test('keeps the time of creation and renews that of the update', async () => {
    const old = { ...route, id: '1', create_time: 100, update_time: 200 };
    await api.store.put('/routes/1', old);
    const { body } = await put('/routes/1', route);
    expect(body.value.create_time).toBe(100);
    expect(body.value.update_time).toBeGreaterThan(1_600_000_000);
  });

  test('takes the id of a consumer from its username', async () => {
    const { body, status } = await api.call('PUT', '/consumers', { username: 'jack' });
    expect(status).toBe(201);
    expect(body).toMatchObject({ key: '/apisix/consumers/jack', value: { username: 'jack' } });
    expect(body.value).not.toHaveProperty('id');
  });

  test('refuses ids that are missing, differ or are malformed', async () => {
    expect(error(await api.call('PUT', '/routes', route))).toBe('400 missing route id');
    expect(error(await api.call('PUT', '/routes/1', { ...route, id: '2' }))).toBe(
      '400 wrong route id',
    );
    expect(error(await api.call('PUT', '/routes/a$b', route))).toMatch(
      /^400 invalid configuration: property "id" validation failed/,
    );
    expect(error(await api.call('PUT', '/consumers/joe', { username: 'jack' }))).toBe(
      '400 wrong username',
    );
    expect((await api.call('GET', '/routes')).body.total).toBe(0);
  });

  test('refuses a body that is missing, no JSON or no object', async () => {
    expect(error(await api.call('PUT', '/routes/1'))).toBe('400 missing configurations');
    const bad = await api.call('PUT', '/routes/1', '{"uri": ');
    expect(error(bad)).toMatch(/^400 invalid request body: /);
    expect(bad.body.req_body).toBe('{"uri": ');
    for (const body of ['"text"', '[1]', 'null', '1']) {
      expect(error(await api.call('PUT', '/routes/1', body))).toMatch(
        /^400 invalid configuration: wrong type: expected object, got /,
      );
    }
  });

  test('refuses a body of more than 1.5 MiB, whether its size is declared or not', async () => {
    const text = JSON.stringify({ ...route, desc: 'x'.repeat(1_572_864) });
    const why = 'is greater than the maximum size 1572864 allowed';
    expect(error(await api.call('PUT', '/routes/1', text))).toBe(
      `400 invalid request body: request size ${text.length} ${why}`,
    );
    const stream = new Blob([text]).stream();
    const init: RequestInit = { body: stream, duplex: 'half' };
    expect(error(await api.call('PUT', '/routes/1', '', init))).toMatch(
      new RegExp(`^400 invalid request body: request size \\d+ ${why}$`),
    );
    expect((await api.call('GET', '/routes/1')).status).toBe(404);
  });

  test('refuses unknown plugins, wrong types and unknown fields, and stores nothing', async () => {
    expect(error(await api.call('PUT', '/routes/1', { ...route, plugins: { nope: {} } }))).toBe(
      '400 unknown plugin [nope]',
    );
    expect(error(await api.call('PUT', '/routes/1', { ...route, uri: 5 }))).toBe(
      '400 invalid configuration: property "uri" validation failed: ' +
        'wrong type: expected string, got number',
    );
    expect(error(await api.call('PUT', '/routes/1', { ...route, url: '/x' }))).toBe(
      '400 invalid configuration: additional properties forbidden, found url',
    );
    expect(error(await api.call('PUT', '/routes/1', { ...route, plugins: { echo: 1 } }))).toMatch(
      /^400 /,
    );
    expect((await api.call('GET', '/routes/1')).status).toBe(404);
  });

  test('refuses times, which are not the client\u2019s to set', async () => {
    const cases: [object, string][] = [
      [{ ...route, create_time: 1 }, 'create_time'],
      [{ ...route, update_time: null }, 'update_time'],
      [{ uri: '/x', upstream: { ...upstream, update_time: 1 } }, 'upstream.update_time'],
      [{ ...route, plugins: { create_time: 1 } }, 'plugins.create_time'],
    ];
    for (const [body, field] of cases) {
      expect(error(await api.call('PUT', '/routes/1', body))).toBe(
        `400 the property is forbidden:  ${field}`,
      );
    }
  });

  test('with a ttl the object vanishes; a ttl that is no positive number is refused', async () => {
    expect((await api.call('PUT', '/routes/1?ttl=1', route)).status).toBe(201);
    await expect
      .poll(async () => (await api.call('GET', '/routes/1')).status, { timeout: 20_000 })
      .toBe(404);
    for (const ttl of ['x', '', '0', '-1']) {
      expect(error(await api.call('PUT', `/routes/1?ttl=${ttl}`, route))).toBe(
        '400 invalid argument ttl: should be a number',
      );
    }
  });
});

describe('POST', () => {
  test('makes an id of 20 digits and stores it in the value', async () => {
    const { status, body } = await api.call('POST', '/routes', route);
    expect(status).toBe(201);
    expect(body.key).toMatch(/^\/apisix\/routes\/\d{20}$/);
    expect(body.value.id).toBe(body.key.slice('/apisix/routes/'.length));
    expect((await api.call('GET', `/routes/${body.value.id}`)).body.value).toEqual(body.value);
  });

  test('refuses an id, in the path as in the body', async () => {
    for (const [path, body] of [
      ['/routes/1', route],
      ['/routes', { ...route, id: '1' }],
    ] as const) {
      expect(error(await api.call('POST', path, body))).toBe('400 wrong route id, do not need it');
    }
  });

  test('is refused with 405 for kinds without it', async () => {
    for (const [path, label] of [
      ['consumers', 'consumer'],
      ['consumer_groups', 'consumer group'],
      ['plugin_configs', 'plugin config'],
      ['global_rules', 'global rule'],
      ['plugin_metadata', 'plugin_metadata'],
    ]) {
      expect(error(await api.call('POST', `/${path}`, {}))).toBe(
        `405 not supported \`POST\` method for ${label}`,
      );
    }
  });
});

describe('PATCH', () => {
  test('merges, deletes what is null and keeps the rest', async () => {
    await put('/routes/1', { ...route, desc: 'old', methods: ['GET', 'PUT'] });
    const { status, body } = await api.call('PATCH', '/routes/1', {
      desc: null,
      methods: ['POST'],
      upstream: { nodes: { '127.0.0.1:1981': 2 } },
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      key: '/apisix/routes/1',
      value: {
        id: '1',
        uri: '/hello',
        methods: ['POST'],
        upstream: { nodes: { '127.0.0.1:1980': 1, '127.0.0.1:1981': 2 } },
      },
    });
    expect(body.value).not.toHaveProperty('desc');
  });

  test('sets a sub-path', async () => {
    await put('/routes/1', route);
    const { body } = await api.call('PATCH', '/routes/1/upstream/nodes', { '127.0.0.1:99': 3 });
    expect(body.value.upstream).toEqual({ type: 'roundrobin', nodes: { '127.0.0.1:99': 3 } });
    expect((await api.call('PATCH', '/routes/1/uri', '"/other"')).body.value.uri).toBe('/other');
  });

  test('may set the times', async () => {
    await put('/routes/1', route);
    const times = { create_time: 1_602_883_670, update_time: 1_602_893_670 };
    const { body } = await api.call('PATCH', '/routes/1', times);
    expect(body.value).toMatchObject(times);
    const { body: after } = await api.call('PATCH', '/routes/1', { desc: 'new' });
    expect(after.value.create_time).toBe(1_602_883_670);
    expect(after.value.update_time).toBeGreaterThan(1_602_893_670);
  });

  test('validates the result, and changes nothing when it breaks a rule', async () => {
    await put('/routes/1', route);
    expect(error(await api.call('PATCH', '/routes/1', { uri: null, upstream: null }))).toMatch(
      /^400 invalid configuration: /,
    );
    expect(error(await api.call('PATCH', '/routes/1/uri/x', '1'))).toBe(
      '400 invalid sub-path: /uri',
    );
    expect(error(await api.call('PATCH', '/routes/1', { id: '2' }))).toBe('400 wrong route id');
    expect((await api.call('GET', '/routes/1')).body.value.uri).toBe('/hello');
  });

  test('refuses no id, no body, no object and an unknown id', async () => {
    expect(error(await api.call('PATCH', '/routes', {}))).toBe('400 missing route id');
    expect(error(await api.call('PATCH', '/routes/1'))).toBe('400 missing new configuration');
    expect(error(await api.call('PATCH', '/routes/1', '5'))).toBe('400 invalid configuration');
    const unknown = await api.call('PATCH', '/routes/1', {});
    expect(unknown).toMatchObject({ status: 404, body: { message: 'Key not found' } });
    expect(error(await api.call('PATCH', '/consumers/jack', {}))).toBe(
      '405 not supported `PATCH` method for consumer',
    );
  });

  test('answers 503 when the object changed in the meantime, and keeps that change', async () => {
    await put('/routes/1', route);
    const get = api.store.get.bind(api.store);
    // the other writer comes between this request's read and its write
    api.store.get = async (key) => {
      const item = await get(key);
      if (key === '/routes/1') await api.store.put(key, { ...route, id: '1', desc: 'theirs' });
      return item;
    };
    expect(error(await api.call('PATCH', '/routes/1', { desc: 'ours' }))).toBe(
      '503 value changed before overwritten',
    );
    api.store.get = get;
    expect((await api.call('GET', '/routes/1')).body.value.desc).toBe('theirs');
  });
});

describe('GET and DELETE', () => {
  test('one object comes with its indexes', async () => {
    await put('/upstreams/u-1', upstream);
    const { body } = await api.call('GET', '/upstreams/u-1');
    expect(body).toEqual({
      key: '/apisix/upstreams/u-1',
      value: expect.objectContaining(upstream),
      createdIndex: expect.any(Number),
      modifiedIndex: expect.any(Number),
    });
  });

  test('an object that is not there is answered with 404, however odd its id', async () => {
    for (const id of ['1', 'a%20b', '...', '%00', 'x'.repeat(300), '__proto__']) {
      for (const method of ['GET', 'DELETE']) {
        const { status, body } = await api.call(method, `/routes/${id}`);
        expect({ status, body }).toEqual({ status: 404, body: { message: 'Key not found' } });
      }
    }
  });

  test('a deletion answers with the key, and a second one with 404', async () => {
    await put('/routes/1', route);
    const { status, body } = await api.call('DELETE', '/routes/1');
    expect({ status, body }).toEqual({
      status: 200,
      body: { key: '/apisix/routes/1', deleted: '1' },
    });
    expect((await api.call('DELETE', '/routes/1')).status).toBe(404);
    expect(error(await api.call('DELETE', '/routes'))).toBe('400 missing route id');
  });

  test('deleting a consumer takes its credentials with it, and no one else\u2019s', async () => {
    await put('/consumers', { username: 'jack' });
    await api.store.put('/consumers/jack/credentials/a', {});
    await api.store.put('/consumers/jackson/credentials/a', {});
    expect((await api.call('GET', '/consumers')).body.total).toBe(1);
    expect((await api.call('DELETE', '/consumers/jack')).status).toBe(200);
    const { items } = await api.store.list('/consumers/');
    expect(items.map(({ key }) => key)).toEqual(['/consumers/jackson/credentials/a']);
  });
});
