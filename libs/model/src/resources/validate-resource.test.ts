import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../errors.ts';
import type { PluginSchemas } from './checks/check-plugins.ts';
import type { ResourceKind } from './kinds.ts';
import { validateResource, type ValidateOptions } from './validate-resource.ts';

const keyAuth: PluginSchemas = {
  name: 'key-auth',
  type: 'auth',
  schema: { type: 'object', properties: { header: { type: 'string', default: 'apikey' } } },
  consumerSchema: {
    type: 'object',
    properties: { key: { type: 'string' } },
    required: ['key'],
  },
  checkConsumer(conf: { key: string }) {
    if (conf.key === 'taken') throw new ConfigError('key is taken');
  },
};
const limitReq: PluginSchemas = {
  name: 'limit-req',
  schema: {
    type: 'object',
    properties: { rate: { type: 'number', exclusiveMinimum: 0 }, burst: { default: 0 } },
    required: ['rate'],
  },
  metadataSchema: {
    type: 'object',
    properties: { log_format: { type: 'object' }, size: { default: 5 } },
    additionalProperties: false,
  },
  check(conf: { rate: number }) {
    if (conf.rate === 13) throw new ConfigError('13 brings bad luck');
  },
};
const plugins = new Map([keyAuth, limitReq].map((plugin) => [plugin.name, plugin]));
const options: ValidateOptions = { plugins, unknownPlugins: 'reject' };

function messageFor(kind: ResourceKind, value: unknown, with_ = options): string | undefined {
  try {
    validateResource(kind, value, with_);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

// A self-signed certificate made for this test.
const CERTIFICATE = [
  '-----BEGIN CERTIFICATE-----',
  'MIIBdTCCARugAwIBAgIUbLNgvHPxBATtc2+totwHSS7LMLowCgYIKoZIzj0EAwIw',
  'DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjIxMDA4NDdaGA8yMTI2MTAyOTEwMDg0',
  'N1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJxv',
  '6koypDS6wsLM8oUNU8/BEKbFe/NHo1AzRkEuuqDr7VbcBA5jAltVjCr/SkvBwsso',
  'ZjGxoDbJ/U3v2qPhwJyjUzBRMB0GA1UdDgQWBBTStbBSmXguBO8DOZm6dwKrDDI6',
  'PTAfBgNVHSMEGDAWgBTStbBSmXguBO8DOZm6dwKrDDI6PTAPBgNVHRMBAf8EBTAD',
  'AQH/MAoGCCqGSM49BAMCA0gAMEUCIH4ES2BrlAIWYGixoLjq0p/DsMOA7X6v1sgE',
  'Jwi/7eUyAiEA/BIuASSKLHTVEmDN9nqKukfSRBXwf9s2KrnzIk/XdGs=',
  '-----END CERTIFICATE-----',
].join('\n');

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:8080': 1 } };
const route = (fields: object): object => ({ uri: '/hello', upstream, ...fields });
const node = (fields: object): object => ({ nodes: [{ host: 'a.com', weight: 1, ...fields }] });
const invalid = 'invalid configuration: ';
const IN_CHECKS = `${invalid}property "upstream" validation failed: property "checks" validation failed: `;
const checked = (checks: object): object => route({ upstream: { ...upstream, checks } });

// Taken from the expected answers in t/admin/*.t and t/plugin/plugin.t.
const refused: readonly (readonly [ResourceKind, unknown, string])[] = [
  ['routes', route({ host: 'a', hosts: ['b'] }), 'only one of host or hosts is allowed'],
  [
    'routes',
    route({ remote_addr: '127.0.0.1', remote_addrs: ['127.0.0.1'] }),
    'only one of remote_addr or remote_addrs is allowed',
  ],
  ['routes', 'x', `${invalid}wrong type: expected object, got string`],
  [
    'routes',
    { upstream },
    `${invalid}allOf 1 failed: value should match only one schema, but matches none`,
  ],
  [
    'routes',
    { uri: '/' },
    `${invalid}object matches none of the required: ["plugins","uri"] or ["upstream","uri"] or ` +
      '["upstream_id","uri"] or ["service_id","uri"] or ["plugins","uris"] or ' +
      '["upstream","uris"] or ["upstream_id","uris"] or ["service_id","uris"] or ' +
      '["script","uri"] or ["script","uris"]',
  ],
  [
    'routes',
    route({ remote_addr: '127.0.0.' }),
    `${invalid}property "remote_addr" validation failed: object matches none of the required`,
  ],
  [
    'routes',
    route({ methods: ['HEADER'] }),
    `${invalid}property "methods" validation failed: failed to validate item 1: ` +
      'matches none of the enum values',
  ],
  [
    'routes',
    route({ id: 'a b' }),
    `${invalid}property "id" validation failed: object matches none of the required`,
  ],
  [
    'routes',
    route({ name: 'a'.repeat(257) }),
    `${invalid}property "name" validation failed: string too long, expected at most 256, got 257`,
  ],
  [
    'routes',
    route({ labels: { env: ['a'] } }),
    `${invalid}property "labels" validation failed: failed to validate env (matching ".*"): ` +
      'wrong type: expected string, got table',
  ],
  [
    'routes',
    route({ host: '$%$foo.com' }),
    `${invalid}property "host" validation failed: failed to match pattern ` +
      '"^\\\\*$|^\\\\*?[0-9a-zA-Z-._\\\\[\\\\]:]+$" with "$%$foo.com"',
  ],
  ['routes', route({ ocsp: {} }), `${invalid}additional properties forbidden, found ocsp`],
  [
    'routes',
    { uri: '/', script: 'return { }', plugins: {} },
    `${invalid}value wasn't supposed to match schema`,
  ],
  [
    'routes',
    checked({ active: { type: 'x' } }),
    `${IN_CHECKS}property "active" validation failed: property "type" validation failed: ` +
      'matches none of the enum values',
  ],
  [
    'routes',
    checked({ active: { healthy: { http_statuses: [200, 200] } } }),
    `${IN_CHECKS}property "active" validation failed: property "healthy" validation failed: ` +
      'property "http_statuses" validation failed: expected unique items but items 1 and 2 are equal',
  ],
  [
    'routes',
    checked({ active: {}, passive: { unhealthy: { http_statuses: [500, 600] } } }),
    `${IN_CHECKS}property "passive" validation failed: property "unhealthy" validation failed: ` +
      'property "http_statuses" validation failed: failed to validate item 2: ' +
      'expected 600 to be at most 599',
  ],
  [
    'routes',
    checked({ passive: {} }),
    `${IN_CHECKS}object matches none of the required: ["active"] or ["active","passive"]`,
  ],
  [
    'routes',
    route({ vars: ['arg_a', '==', 'b'] }),
    "failed to validate the 'vars' expression: rule should be wrapped inside brackets",
  ],
  [
    'routes',
    route({ vars: [['arg_a', '=', 'b']] }),
    "failed to validate the 'vars' expression: invalid operator '='",
  ],
  [
    'routes',
    route({ filter_func: 'function(vars) return true end' }),
    "failed to load 'filter_func' string: Polygate does not run Lua; " +
      "use 'vars' for conditions on the request instead",
  ],
  [
    'services',
    { script: 'return { access }' },
    "failed to load 'script' string: Polygate does not run Lua; " +
      'use a TypeScript plugin or an external plugin instead',
  ],
  [
    'upstreams',
    { nodes: { '127.0.0.1': 'x' } },
    `${invalid}property "nodes" validation failed: object matches none of the required`,
  ],
  [
    'upstreams',
    { type: 'roundrobin' },
    `${invalid}value should match only one schema, but matches none`,
  ],
  [
    'upstreams',
    { ...upstream, retries: -1 },
    `${invalid}property "retries" validation failed: expected -1 to be at least 0`,
  ],
  [
    'upstreams',
    { ...upstream, timeout: { connect: 0, send: 1, read: 1 } },
    `${invalid}property "timeout" validation failed: property "connect" validation failed: ` +
      'expected 0 to be greater than 0',
  ],
  [
    'upstreams',
    { ...upstream, tls: { client_cert: 'a'.repeat(128), client_cert_id: 1 } },
    `${invalid}property "tls" validation failed: failed to validate dependent schema for ` +
      '"client_cert": property "client_key" is required',
  ],
  [
    'upstreams',
    { ...upstream, tls: { client_cert: 'a'.repeat(128), client_key: 'b'.repeat(128) } },
    'failed to parse cert: PEM_read_bio_X509_AUX() failed',
  ],
  ['upstreams', node({ host: '::1' }), `${invalid}IPv6 address must be enclosed with '[' and ']'`],
  ['upstreams', { nodes: { '127.0.0.1:65536': 1 } }, 'invalid port 65536'],
  ['upstreams', { nodes: { '[::1]:0': 1 } }, 'invalid port 0'],
  [
    'upstreams',
    { ...upstream, pass_host: 'rewrite' },
    "`upstream_host` can't be empty when `pass_host` is `rewrite`",
  ],
  ['upstreams', { ...upstream, type: 'chash' }, 'missing key'],
  [
    'upstreams',
    { ...upstream, type: 'chash', key: 'not_support' },
    `${invalid}failed to match pattern "^((uri|server_name|server_addr|request_uri|remote_port` +
      '|remote_addr|query_string|host|hostname|mqtt_client_id)|arg_[0-9a-zA-z_-]+)$" ' +
      'with "not_support"',
  ],
  [
    'upstreams',
    { ...upstream, type: 'chash', hash_on: 'header', key: '$#^@' },
    `${invalid}failed to match pattern "^[a-zA-Z0-9-_]+$" with "$#^@"`,
  ],
  [
    'upstreams',
    { ...upstream, hash_on: 'aabbcc' },
    `${invalid}property "hash_on" validation failed: matches none of the enum values`,
  ],
  ['consumers', {}, `${invalid}property "username" is required`],
  [
    'consumers',
    { username: 'jack', plugins: { 'key-auth': {} } },
    'invalid plugins configuration: failed to check the configuration of plugin key-auth err: ' +
      'property "key" is required',
  ],
  [
    'consumers',
    { username: 'jack', plugins: { 'key-auth': 'blah' } },
    'invalid plugins configuration: invalid plugin conf "blah" for plugin [key-auth]',
  ],
  [
    'consumers',
    { username: 'jack', plugins: { 'key-auth': { key: 'taken' } } },
    'invalid plugins configuration: failed to check the configuration of plugin key-auth err: ' +
      'key is taken',
  ],
  ['consumer_groups', { id: 1 }, `${invalid}property "plugins" is required`],
  ['plugin_configs', { plugins: {} }, `${invalid}property "id" is required`],
  ['global_rules', { id: 1, plugins: { mqttt: {} } }, 'unknown plugin [mqttt]'],
  [
    'routes',
    route({ plugins: { 'limit-req': { rate: -1 } } }),
    'failed to check the configuration of plugin limit-req err: ' +
      'property "rate" validation failed: expected -1 to be greater than 0',
  ],
  [
    'routes',
    route({ plugins: { 'limit-req': { rate: 13 } } }),
    'failed to check the configuration of plugin limit-req err: 13 brings bad luck',
  ],
  [
    'routes',
    route({ plugins: { 'key-auth': { _meta: false } } }),
    'failed to check the configuration of plugin key-auth err: ' +
      'property "_meta" validation failed: wrong type: expected object, got boolean',
  ],
  [
    'routes',
    route({ plugins: { 'key-auth': { _meta: { filter: 'x' } } } }),
    'failed to check the configuration of plugin key-auth err: property "_meta" validation ' +
      'failed: property "filter" validation failed: wrong type: expected array, got string',
  ],
  [
    'routes',
    route({ plugins: { 'key-auth': { _meta: { filter: [['arg_k', '*=', 'v']] } } } }),
    "failed to validate the 'vars' expression: invalid operator '*='",
  ],
  [
    'routes',
    route({ plugins: { 'key-auth': { _meta: { pre_function: 'return 1' } } } }),
    'failed to load _meta.pre_function in plugin key-auth: Polygate does not run Lua; ' +
      'use an external plugin (ext-plugin-pre-req) or a TypeScript plugin instead',
  ],
  ['plugin_metadata', {}, 'missing plugin name'],
  ['plugin_metadata', { id: 'nobody' }, 'invalid plugin name'],
  [
    'plugin_metadata',
    { id: 'limit-req', log_format: 'x' },
    `${invalid}property "log_format" validation failed: wrong type: expected object, got string`,
  ],
];

describe('validateResource', () => {
  test.each(refused)('refuses %s %j: %s', (kind, value, message) => {
    expect(messageFor(kind, value)).toBe(message);
  });

  test('fills in defaults in a frozen copy and leaves the given value alone', () => {
    const given = route({ plugins: { 'limit-req': { rate: 1 } } });
    const before = structuredClone(given);
    const { value } = validateResource('routes', given, options);
    expect(given).toEqual(before);
    expect(value).toMatchObject({
      priority: 0,
      status: 1,
      upstream: { hash_on: 'vars', scheme: 'http', pass_host: 'pass' },
      plugins: { 'limit-req': { rate: 1, burst: 0 } },
    });
    expect(Object.isFrozen(value)).toBe(true);
    expect(Object.isFrozen(value.upstream?.nodes)).toBe(true);
    expect(Object.isFrozen(value.plugins?.['limit-req'])).toBe(true);
  });

  test('names the plugins it does not know when it is told to skip them', () => {
    const given = route({ plugins: { unknown: { a: 1 }, 'key-auth': {} } });
    const result = validateResource('routes', given, { plugins, unknownPlugins: 'skip' });
    expect(result.skippedPlugins).toEqual(['unknown']);
    expect(result.value.plugins).toEqual({ unknown: { a: 1 }, 'key-auth': { header: 'apikey' } });
  });

  test('accepts a bad conf of a disabled plugin with a warning', () => {
    const given = route({ plugins: { 'limit-req': { rate: 0, _meta: { disable: true } } } });
    expect(validateResource('routes', given, options).warnings).toEqual([
      'failed to check the configuration of plugin limit-req err: ' +
        'property "rate" validation failed: expected 0 to be greater than 0',
    ]);
  });

  test('does not read the confs of plugins when told not to', () => {
    const given = route({ plugins: { unknown: {} } });
    expect(messageFor('routes', given, { ...options, checkPlugins: false })).toBeUndefined();
  });

  test('checks a consumer’s other plugins by their ordinary schema', () => {
    const consumer = { username: 'jack', plugins: { 'limit-req': { rate: 1 } } };
    expect(validateResource('consumers', consumer, options).value.plugins).toEqual({
      'limit-req': { rate: 1, burst: 0 },
    });
  });

  test('takes one auth plugin in a credential, with the conf of a consumer', () => {
    const fault = (confs: object): string | undefined =>
      messageFor('credentials', { plugins: confs });
    expect(fault({ 'key-auth': { key: 'k' } })).toBeUndefined();
    expect(messageFor('credentials', { id: 'jack/credentials/1' })).toBeUndefined();
    expect(fault({ 'key-auth': {} })).toMatch(
      /^invalid plugins configuration: .* property "key" is required/,
    );
    expect(fault({ 'limit-req': { rate: 1 } })).toBe(
      'only supports auth type plugins in consumer credential',
    );
    expect(fault({ 'key-auth': { key: 'k' }, 'limit-req': { rate: 1 } })).toBe(
      `${invalid}property "plugins" validation failed: expect object to have at most 1 properties`,
    );
  });

  test('takes an empty list for an empty conf', () => {
    const { value } = validateResource('routes', route({ plugins: { 'key-auth': [] } }), options);
    expect(value.plugins).toEqual({ 'key-auth': { header: 'apikey' } });
  });

  test('fills in plugin metadata and keeps its id', () => {
    const { value } = validateResource('plugin_metadata', { id: 'limit-req' }, options);
    expect(value).toEqual({ id: 'limit-req', size: 5 });
    const free = { anything: 1 };
    const named = { ...options, pluginName: 'key-auth' };
    expect(validateResource('plugin_metadata', free, named).value).toEqual(free);
  });

  test('asks of a client certificate and its key that they can be read', () => {
    const { privateKey } = generateKeyPairSync('ec', {
      namedCurve: 'prime256v1',
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const withKey = (key: string): object => ({
      ...upstream,
      tls: { client_cert: CERTIFICATE, client_key: key },
    });
    expect(messageFor('upstreams', withKey(privateKey))).toBeUndefined();
    expect(messageFor('upstreams', withKey('x'.repeat(64)))).toBe(
      'failed to parse key: PEM_read_bio_PrivateKey() failed',
    );
  });

  test('out of the store it takes what the data plane of APISIX takes', () => {
    const stored = { ...options, isStored: true };
    const nodes = [{ host: '::1', port: 80, weight: 1 }];
    const bare = { type: 'roundrobin', nodes };
    expect(messageFor('upstreams', bare)).toContain('IPv6 address must be enclosed');
    expect(messageFor('upstreams', bare, stored)).toBeUndefined();
    expect(messageFor('routes', route({ upstream: bare }), stored)).toBeUndefined();
    const text = 'x'.repeat(200);
    const unreadable = { ...upstream, tls: { client_cert: text, client_key: text } };
    expect(messageFor('routes', route({ upstream: unreadable }))).toContain('failed to parse cert');
    expect(messageFor('routes', route({ upstream: unreadable }), stored)).toBeUndefined();
    expect(messageFor('upstreams', unreadable, stored)).toContain('failed to parse cert');
    const ofHost = { ...upstream, pass_host: 'rewrite' };
    expect(messageFor('routes', route({ upstream: ofHost }), stored)).toContain('upstream_host');
  });

  test.each([
    [{ 'post_arg.a': 1 }, undefined],
    ['post_arg.messages[*].content', undefined],
    ['post_arg.messages[.content[*].type', 'invalid expression near'],
  ])('checks the JSON path of %j', (name, part) => {
    const vars = [[name, 'has', 'x']];
    const message = messageFor('routes', route({ vars: typeof name === 'string' ? vars : [] }));
    if (part === undefined) expect(message).toBeUndefined();
    else expect(message).toContain(`failed to validate the 'vars' expression: ${part}`);
  });

  test.each([
    ['remote_addr', 'B2:B1aE:::8:4f:Ef76/30'],
    ['remote_addrs', ['10.0.0.1', '1:2:3/200']],
    ['remote_addr', '$env://CLIENT'],
  ])('refuses a route with %s %j, which the schema takes and nothing can match', (field, value) => {
    const message = messageFor('routes', route({ [field]: value }));
    expect(message).toContain(`property "${field}" validation failed: invalid ip address: `);
  });

  test('keeps a property named __proto__ from changing the prototype', () => {
    const given: unknown = JSON.parse('{"uri":"/","plugins":{"__proto__":{"polluted":1}}}');
    expect(messageFor('routes', given)).toBe('unknown plugin [__proto__]');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('refuses what nests deeper than a thousand levels', () => {
    const deep: unknown = JSON.parse(`${'['.repeat(5000)}${']'.repeat(5000)}`);
    expect(messageFor('routes', route({ vars: deep }))).toContain('too many nested');
  });

  test.each([
    ['services', {}],
    ['services', []],
    ['upstreams', { service_name: 'a', discovery_type: 'dns' }],
    ['upstreams', { nodes: [] }],
    ['upstreams', { nodes: {} }],
    ['upstreams', { nodes: { '::1': 1, '[::1]:80': 1, localhost: 0, 'a.com:443': 2 } }],
    ['upstreams', { ...upstream, type: 'chash', hash_on: 'consumer' }],
    ['upstreams', { ...upstream, type: 'chash', hash_on: 'vars_combinations', key: '$host' }],
    ['routes', { uris: ['/a'], service_id: 1, hosts: ['*.foo.com'], remote_addrs: ['::1/128'] }],
    ['consumers', { username: 'a-b_c', plugins: { 'key-auth': { key: '$secret://a/b/c' } } }],
    ['global_rules', { id: 'a', plugins: {}, create_time: 1 }],
  ] as const)('takes %s %j', (kind, value) => {
    expect(messageFor(kind, value)).toBeUndefined();
  });
});
