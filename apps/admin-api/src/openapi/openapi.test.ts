import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { expect, test } from 'vitest';
import { runAdminApi } from '../admin-api.harness.ts';
import { buildPluginSet } from '../plugins/plugin-set.ts';
import { RESOURCE_LIST } from '../resources/resources.ts';
import { openApiDocument } from './openapi-document.ts';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into it as they like
type Document = any;
const METHODS = ['get', 'put', 'post', 'patch', 'delete'] as const;

const none = { plugins: undefined, streamPlugins: [] };
const plugins = buildPluginSet(PLUGIN_DEFINITIONS, none, 1);
const options = {
  plugins,
  apiVersion: 'v3',
  hasStreamMode: true,
  isStandalone: false,
  needsKey: true,
} as const;

test.each([
  ['with all plugins', options],
  ['without plugins', { ...options, plugins: undefined }],
  ['of API version 2', { ...options, apiVersion: 'v2' } as const],
  ['in standalone mode', { ...options, isStandalone: true }],
  ['without keys', { ...options, needsKey: false, hasStreamMode: false }],
])('the document %s is valid OpenAPI 3.1', async (_name, given) => {
  const validator = new Validator();
  const document = JSON.parse(JSON.stringify(openApiDocument(given))) as object;
  expect(await validator.validate(document as never)).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
});

test('each schema in it is one of draft 2020-12, and each reference leads somewhere', () => {
  const document: Document = JSON.parse(JSON.stringify(openApiDocument(options)));
  const ajv = new Ajv2020({ strict: true, strictTypes: false, strictRequired: false });
  addFormats.default(ajv);
  for (const keyword of ['x-encrypt-fields', 'x-pcre-pattern', 'components'])
    ajv.addKeyword(keyword);
  ajv.addSchema({ $id: 'document', components: document.components });
  for (const name of Object.keys(document.components.schemas)) {
    const $ref = `document#/components/schemas/${name}`;
    expect(() => ajv.compile({ $ref }), name).not.toThrow();
  }
  const refs = JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g);
  const dangling = [...refs].filter(([, path = '']) => find(document, path) === undefined);
  expect(dangling.map(([, path]) => path)).toEqual([]);
});

test('operations have ids of their own', () => {
  const ids = operationsOf(openApiDocument(options)).map(({ operation }) => operation.operationId);
  expect(new Set(ids).size).toBe(ids.length);
});

test('it says of every enabled plugin what the plugin says itself', () => {
  const { components }: Document = openApiDocument(options);
  const names = [...PLUGIN_DEFINITIONS.keys()].filter((name) => plugins.enabled.has(name));
  expect(names.length).toBeGreaterThan(5);
  expect(Object.keys(components.schemas.Plugins.properties).toSorted()).toEqual(names.toSorted());
  const keyAuth = components.schemas['plugin.key-auth'];
  expect(keyAuth.properties._meta.properties.priority.type).toBe('integer');
  expect(components.schemas.ConsumerPlugins.properties['key-auth'].$ref).toMatch(/consumer$/);
});

// What stands for a parameter so that a handler is reached, and finds nothing.
const SAMPLES: Readonly<Record<string, string>> = {
  username: 'nobody',
  plugin_name: 'key-auth',
  manager: 'vault',
  resource: 'routes',
  name: 'route',
  revision: '1',
  runner: 'default',
};

test('every operation in it is served, and nothing else is', async () => {
  const api = await runAdminApi({
    more: 'apisix: { proxy_mode: http&stream, stream_proxy: { tcp: [9100] } }',
  });
  try {
    const { status, body: document } = await api.call('GET', '/polygate/openapi.json');
    expect(status).toBe(200);
    const documented = operationsOf(document);
    expect(documented.length).toBeGreaterThan(80);
    // an Admin API answers what it does not know with one of these
    const unknown = new RegExp(
      [
        '^not found|Unsupported resource|not supported|^missing .* id$|do not need it',
        'use PUT method|no secret id|missing plugin name',
      ].join('|'),
    );
    const paths = new Set([...documented.map(({ path }) => path), ...undocumentedPaths()]);
    for (const path of paths) {
      const at = path.replace(/\{(\w+)\}/g, (_all, name: string) => SAMPLES[name] ?? 'x1');
      for (const method of METHODS) {
        const isDocumented = documented.some((one) => one.path === path && one.method === method);
        const reply = await api.call(method.toUpperCase(), at, bodyFor(method, path));
        const isUnknown = unknown.test(String(reply.body?.error_msg ?? ''));
        const isNamed = `${method} ${path}: ${reply.status} ${reply.text.slice(0, 200)}`;
        if (isDocumented) expect(isUnknown, isNamed).toBe(false);
        // what follows an id is passed over but in a PATCH, as in APISIX
        else if (!path.endsWith('/{sub_path}')) expect(reply.status < 400, isNamed).toBe(false);
        // there is no runner manager that could be asked
        const mayBe503 = isDocumented && path.startsWith('/polygate/runners');
        if (mayBe503 && reply.status === 503) continue;
        expect(reply.status, isNamed).toBeLessThan(500);
      }
    }
  } finally {
    await api.stop();
  }
});

/** With an id only where the operation wants it in the body. */
function bodyFor(method: string, path: string): unknown {
  if (method === 'get' || method === 'delete') return undefined;
  return method === 'put' && !path.endsWith('}') ? { id: 'x1', username: 'x1' } : { desc: 'x' };
}

/** Which nothing in the document says anything of. */
function undocumentedPaths(): string[] {
  return ['/', '/nothing', '/polygate', '/polygate/nothing', '/credentials', '/configs', '/schema'];
}

test('what has no schema of plugins is smaller, and needs a key as the rest does', async () => {
  const api = await runAdminApi();
  try {
    const whole = await api.call('GET', '/polygate/openapi.json');
    const small = await api.call('GET', '/polygate/openapi.json?plugins=false');
    expect(small.text.length).toBeLessThan(whole.text.length);
    expect(Object.keys(small.body.paths)).toEqual(Object.keys(whole.body.paths));
    expect(small.body.components.schemas.Plugins.properties).toBeUndefined();
    expect(small.body.paths['/stream_routes']).toBeUndefined();
    const wrong = await api.call('GET', '/polygate/openapi.json?plugins=no');
    expect([wrong.status, wrong.body.error_msg]).toEqual([
      400,
      'invalid argument plugins: should be true or false',
    ]);
    const anonymous = await fetch(`${api.url}/apisix/admin/polygate/openapi.json`);
    expect(anonymous.status).toBe(401);
  } finally {
    await api.stop();
  }
});

test('kinds with references, filters and fixed ids say so', () => {
  const { paths }: Document = openApiDocument(options);
  const forced = RESOURCE_LIST.filter((resource) => 'refuseDelete' in resource).length;
  const removals = operationsOf(openApiDocument(options)).filter(({ operation }) =>
    JSON.stringify(operation.parameters ?? []).includes('/force"'),
  );
  expect(removals.length).toBe(forced);
  expect(paths['/secrets'].put).toBeUndefined();
  expect(paths['/consumers'].post).toBeUndefined();
  expect(paths['/protos/{id}'].patch).toBeUndefined();
  expect(paths['/plugin_metadata/{plugin_name}'].put).toBeDefined();
});

function operationsOf(document: Document) {
  return Object.entries<Document>(document.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method] !== undefined).map((method) => ({
      path,
      method,
      operation: item[method],
    })),
  );
}

function find(document: Document, path: string): unknown {
  return path.split('/').reduce<Document>((at, name) => at?.[name], document);
}
