import { mountPlugin, runPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import plugin from './oas-validator.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const document = (paths: object, more: object = {}) =>
  JSON.stringify({ openapi: '3.0.2', servers: [{ url: '/api' }], paths, ...more });
const bodyOf = (schema: object, type = 'application/json') => ({
  requestBody: { required: true, content: { [type]: { schema } } },
});

/** What the client gets; undefined: the request went on. */
async function problemOf(spec: string, request: PluginRequest, more: object = {}) {
  const raw = { spec, verbose_errors: true, ...more };
  const { reply } = await runPlugin(plugin, conf(raw), request);
  if (reply === undefined) return undefined;
  return `${reply.status} ${(reply.body as { message: string }).message}`;
}

const post = (body: unknown, target = '/api/pets', type = 'application/json'): PluginRequest => ({
  method: 'POST',
  target,
  headers: { 'Content-Type': type },
  body: typeof body === 'string' ? body : JSON.stringify(body),
});
const FAILED = '400 failed to validate request. ';

describe('oas-validator', () => {
  const pets = document(
    {
      '/pets': { post: bodyOf({ $ref: '#/components/schemas/Pet' }) },
      '/pets/{id}': {
        parameters: [{ name: 'id', in: 'path', required: true, schema: { type: 'integer' } }],
        get: {
          parameters: [
            { name: 'status', in: 'query', schema: { type: 'string', enum: ['new', 'old'] } },
            { name: 'X-Count', in: 'header', required: true, schema: { type: 'integer' } },
          ],
        },
      },
      '/pets/named': { get: {} },
    },
    {
      components: {
        schemas: {
          Pet: {
            type: 'object',
            required: ['name'],
            properties: {
              name: { type: 'string' },
              nick: { type: 'string', nullable: true },
              kind: { type: 'string', nullable: true, enum: ['cat', null] },
              age: { type: 'number', minimum: 0, exclusiveMinimum: true },
              id: { type: 'integer', readOnly: true },
              parent: { $ref: '#/components/schemas/Pet' },
            },
          },
        },
      },
    },
  );
  const get = (target: string, headers: Record<string, string> = { 'X-Count': '1' }) => ({
    target,
    headers,
  });

  test.each([
    [{ name: 'a' }, undefined],
    [
      { name: 'a', parent: { name: 'b', parent: { name: 'c' } }, nick: null, kind: null },
      undefined,
    ],
    [{}, 'body: property "name" is required'],
    [
      { name: 'a', parent: { name: 'b', parent: { name: 1 } } },
      'body: property "parent" validation failed: property "parent" validation failed: ' +
        'property "name" validation failed: wrong type: expected string, got number',
    ],
    [
      { name: 'a', age: 0 },
      'body: property "age" validation failed: expected 0 to be greater than 0',
    ],
    [
      { name: 'a', kind: 'dog' },
      'body: property "kind" validation failed: object matches none of the required',
    ],
    [
      { name: 'a', id: 1 },
      "body parameter 'id': readOnly property 'id' should not be sent in request",
    ],
    ['', 'body: request body is required'],
    // a reference to a secret is a text like any other
    [
      { name: 'a', kind: '$env://A' },
      'body: property "kind" validation failed: object matches none of the required',
    ],
  ])('says of the body %j: %s', async (body, problem) => {
    const wanted = problem === undefined ? undefined : FAILED + problem;
    expect(await problemOf(pets, post(body))).toBe(wanted);
  });

  test.each([
    ['/api/pets/1?status=new', undefined],
    ['/api/pets/1/', undefined],
    ['/api/pets/named', undefined],
    ['/api/pets/x', "path parameter 'id': wrong type: expected integer, got string"],
    ['/api/pets/1?status=odd', "query parameter 'status': matches none of the enum values"],
    ['/api/cats', 'no matching operation found for GET /api/cats'],
    ['/pets/1', 'no matching operation found for GET /pets/1'],
  ])('says of %s: %s', async (target, problem) => {
    const wanted = problem === undefined ? undefined : FAILED + problem;
    expect(await problemOf(pets, get(target))).toBe(wanted);
  });

  test('wants headers that are required, whatever their case', async () => {
    expect(await problemOf(pets, get('/api/pets/1', { 'x-COUNT': '2' }))).toBeUndefined();
    expect(await problemOf(pets, get('/api/pets/1', { 'X-Count': 'b' }))).toBe(
      `${FAILED}header parameter 'X-Count': wrong type: expected integer, got string`,
    );
    expect(await problemOf(pets, get('/api/pets/1', {}))).toBe(
      `${FAILED}header parameter 'X-Count': required parameter is missing`,
    );
  });

  test('passes over what it is told to', async () => {
    const skip = (name: string) => ({ [`skip_${name}_validation`]: true });
    expect(await problemOf(pets, post({}), skip('request_body'))).toBeUndefined();
    expect(await problemOf(pets, get('/api/pets/1', {}), skip('request_header'))).toBeUndefined();
    expect(await problemOf(pets, get('/api/pets/x'), skip('path_params'))).toBeUndefined();
    const odd = get('/api/pets/1?status=odd');
    expect(await problemOf(pets, odd, skip('query_param'))).toBeUndefined();
  });

  test('can answer with another status, without a reason, or let the request pass', async () => {
    const status = { rejection_status_code: 422, verbose_errors: false };
    expect(await problemOf(pets, post({}), status)).toBe('422 failed to validate request. ');
    const run = await runPlugin(plugin, conf({ spec: pets, reject_if_not_match: false }), post({}));
    expect(run.reply).toBeUndefined();
    expect(run.log.join()).toContain('error occurred while validating request [POST /api/pets]');
  });

  test.each([
    ['application/x-www-form-urlencoded', 'name=a+b&age=2', undefined],
    ['application/x-www-form-urlencoded', 'name=a&age=x', 'wrong type: expected number'],
    [
      'multipart/form-data; boundary=x',
      '--x\r\nContent-Disposition: form-data; name="name"\r\n\r\na\r\n--x--\r\n',
      undefined,
    ],
    ['multipart/form-data; boundary=x', '--x--\r\n', 'property "name" is required'],
    ['text/xml', '<a/>', 'body: content type text/xml is not declared in the spec'],
  ])('reads a body of %s', async (type, body, problem) => {
    const schema = {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, age: { type: 'number' } },
    };
    const content = { [type.split(';')[0] ?? '']: { schema } };
    const declared = type === 'text/xml' ? { 'application/json': { schema } } : content;
    const spec = document({ '/pets': { post: { requestBody: { content: declared } } } });
    const found = await problemOf(spec, post(body, '/api/pets', type));
    if (problem === undefined) expect(found).toBeUndefined();
    else expect(found).toContain(problem);
  });

  test('goes by the discriminator of branches', async () => {
    const branch = (kind: string, wanted: string) => ({
      type: 'object',
      required: [wanted],
      properties: { kind: { type: 'string', enum: [kind] } },
    });
    const spec = document(
      {
        '/pets': {
          post: bodyOf({
            oneOf: [{ $ref: '#/components/schemas/Cat' }, { $ref: '#/components/schemas/Dog' }],
            discriminator: {
              propertyName: 'kind',
              mapping: { kitten: '#/components/schemas/Cat' },
            },
          }),
        },
      },
      { components: { schemas: { Cat: branch('cat', 'lives'), Dog: branch('dog', 'barks') } } },
    );
    expect(await problemOf(spec, post({ kind: 'dog', barks: true }))).toBeUndefined();
    expect(await problemOf(spec, post({ kind: 'dog', lives: 9 }))).toContain('"barks" is required');
    expect(await problemOf(spec, post({ kind: 'kitten', lives: 9 }))).toContain(
      'property "kind" validation failed',
    );
    expect(await problemOf(spec, post({ kind: 'cow' }))).toContain("'cow' does not match any");
    expect(await problemOf(spec, post({}))).toContain("property 'kind' is missing");
  });

  test('reads parameters in every style', async () => {
    const schema = { type: 'array', items: { type: 'integer' } };
    const listed = (name: string, more: object) => ({ name, in: 'query', schema, ...more });
    const object = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
    const spec = document({
      '/files/{name}.{ext}': {
        get: {
          parameters: [
            { name: 'ext', in: 'path', required: true, schema: { enum: ['json'] } },
            listed('form', {}),
            listed('comma', { explode: false }),
            listed('pipe', { style: 'pipeDelimited', explode: false }),
            { name: 'deep', in: 'query', style: 'deepObject', schema: object },
            { name: 'json', in: 'query', content: { 'application/json': { schema: object } } },
          ],
        },
      },
    });
    const of = (query: string) => problemOf(spec, { target: `/api/files/a.json?${query}` });
    expect(await of('form=1&form=2&comma=1,2&pipe=1|2&deep[a]=1&json={"a":1}')).toBeUndefined();
    expect(await of('form=1&form=x')).toContain(
      "query parameter 'form': failed to validate item 2",
    );
    expect(await of('comma=1,x')).toContain("query parameter 'comma': failed to validate item 2");
    expect(await of('pipe=x|2')).toContain("query parameter 'pipe': failed to validate item 1");
    expect(await of('deep[a]=x')).toContain('query parameter \'deep\': property "a"');
    expect(await of('json={}')).toContain('query parameter \'json\': property "a" is required');
    const other = await problemOf(spec, { target: '/api/files/a.xml' });
    expect(other).toContain("path parameter 'ext'");
  });

  test.each([
    [{ prefixItems: [{ type: 'string' }], items: { type: 'boolean' } }, ['a', true], ['a', 1]],
    [{ type: ['string', 'null'] }, null, 1],
    [{ properties: { a: { const: 'v1' } } }, { a: 'v1' }, { a: 'v2' }],
    [{ type: 'object', dependentRequired: { a: ['b'] } }, { a: 1, b: 1 }, { a: 1 }],
    [
      { $ref: '#/components/schemas/Named', maxProperties: 1 },
      { name: 'a' },
      { name: 'a', other: 1 },
    ],
    [
      {
        type: 'array',
        items: { $dynamicRef: '#item' },
        $defs: { item: { $dynamicAnchor: 'item', type: 'string' } },
      },
      ['a'],
      [1],
    ],
  ])('knows of 3.1: %j', async (schema, good, bad) => {
    const spec = document(
      { '/pets': { $ref: '#/components/pathItems/pets' } },
      {
        openapi: '3.1.0',
        components: {
          pathItems: { pets: { post: bodyOf(schema) } },
          schemas: { Named: { type: 'object', required: ['name'] } },
        },
      },
    );
    expect(await problemOf(spec, post(good))).toBeUndefined();
    expect(await problemOf(spec, post(bad))).toMatch(/^400 failed to validate request\. body: /);
  });

  test.each([
    ['{}', "missing or invalid 'openapi' field"],
    ['{"openapi": "2.0"}', 'unsupported OpenAPI version: 2.0'],
    [document({ '/a': { get: bodyOf({ $ref: '#/nowhere' }) } }), "key not found: 'nowhere'"],
    [document({ '/a': { get: bodyOf({ $ref: 'http://a.test' }) } }), 'external $ref not supported'],
    [document({ '/a': { get: bodyOf({ type: 'odd' }) } }), 'invalid schema: type is "odd"'],
  ])('answers 500 where the document is %s', async (spec, reason) => {
    const run = await runPlugin(plugin, conf({ spec }), { target: '/a' });
    expect([run.status, run.text]).toEqual([500, '{"message":"failed to parse openapi spec"}\n']);
    expect(run.log.join()).toContain(reason);
  });

  test('reads bodies up to a size', async () => {
    const found = await problemOf(pets, post({ name: 'a'.repeat(99) }), { max_req_body_size: 9 });
    expect(found).toContain('500 error reading the request body. err: request size');
  });

  test.each([
    [{ spec: 'no JSON' }, 'err: Expected value but found invalid token at character 1'],
    [{}, 'value should match only one schema'],
    [{ spec: '{}', spec_url: 'http://a.test' }, 'value should match only one schema'],
    [{ spec_url: 'ftp://a.test' }, 'property "spec_url" validation failed'],
    [{ spec: '{}', rejection_status_code: 399 }, 'expected 399 to be at least 400'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});

describe('oas-validator with a document elsewhere', () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });

  async function serve(answer: (headers: IncomingHttpHeaders) => [number, string]) {
    let asked = 0;
    const server = createServer((request, response) => {
      asked += 1;
      const [status, body] = answer(request.headers);
      response.writeHead(status).end(body);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    closers.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    return { url: `http://127.0.0.1:${port}/spec.json`, asked: () => asked };
  }

  test('fetches it once, and again in the background when its time is over', async () => {
    const spec = await serve(() => [200, document({ '/a': { get: {} } })]);
    const mounted = mountPlugin(plugin, conf({ spec_url: spec.url }), {
      metadata: { spec_url_ttl: 0.05 },
    });
    const request = { target: '/api/a' };
    const [one, other] = await Promise.all([mounted.request(request), mounted.request(request)]);
    expect([one.status, other.status, spec.asked()]).toEqual([200, 200, 1]);
    await expect
      .poll(async () => {
        expect((await mounted.request(request)).status).toBe(200);
        return spec.asked();
      })
      .toBeGreaterThan(1);
    mounted.dispose();
  });

  test('serves on with the old one, and tells of a failed fetch once, whoever waits for it', async () => {
    let status = 200;
    const spec = await serve(() => [status, document({ '/a': { get: {} } })]);
    const mounted = mountPlugin(plugin, conf({ spec_url: spec.url }), {
      metadata: { spec_url_ttl: 0.01 },
    });
    const request = { target: '/api/a' };
    await mounted.request(request);
    status = 500;
    await new Promise((resolve) => setTimeout(resolve, 20));
    const runs = await Promise.all(Array.from({ length: 20 }, () => mounted.request(request)));
    expect(new Set(runs.map((run) => run.status))).toEqual(new Set([200]));
    await expect.poll(() => mounted.log).toContain('error: spec URL returned status 500');
    expect(mounted.log).toHaveLength(spec.asked() - 1);
    mounted.dispose();
  });

  test('sends the headers of the conf, and asks again after a failure', async () => {
    const spec = await serve(({ 'x-token': token }) =>
      token === 'secret' ? [200, document({ '/a': { get: {} } })] : [403, ''],
    );
    const refused = await runPlugin(plugin, conf({ spec_url: spec.url }), { target: '/api/a' });
    expect(refused.status).toBe(500);
    expect(refused.log.join()).toContain('spec URL returned status 403');
    const raw = { spec_url: spec.url, spec_url_request_headers: { 'X-Token': 'secret' } };
    expect((await runPlugin(plugin, conf(raw), { target: '/api/a' })).status).toBe(200);
    expect(spec.asked()).toBe(2);
  });

  test('answers 500 for what is no document', async () => {
    const spec = await serve(() => [200, 'not valid json {{{']);
    const run = await runPlugin(plugin, conf({ spec_url: spec.url }), { target: '/api/a' });
    expect(run.status).toBe(500);
    expect(run.log.join()).toContain('failed to compile openapi spec fetched from URL');
  });
});
