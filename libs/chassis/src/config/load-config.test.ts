import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ConfigFileError } from './config-file-error.ts';
import { loadConfig, reloadPluginList } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'chassis-'));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function write(yaml: string): string {
  const file = join(folder, `${files++}.yaml`);
  writeFileSync(file, yaml);
  return file;
}

const load = (yaml: string, env: Record<string, string> = {}) => loadConfig(write(yaml), env);

function problems(yaml: string, env: Record<string, string> = {}): readonly string[] {
  try {
    load(yaml, env);
  } catch (error) {
    if (error instanceof ConfigFileError) return error.problems;
    throw error;
  }
  return [];
}

test('an empty file, or one of comments, gives the defaults and listens on loopback only', () => {
  const config = load('# nothing\n');
  expect(config.nodeListen).toEqual([{ host: '127.0.0.1', port: 9080, http2: true }]);
  expect(config.admin).toMatchObject({
    enabled: true,
    listen: { host: '127.0.0.1', port: 9180 },
    keyRequired: true,
    keys: [],
    allowCidrs: ['127.0.0.0/24'],
    apiVersion: 'v3',
  });
  expect(config.control).toEqual({ enabled: true, host: '127.0.0.1', port: 9090 });
  expect(config.status).toBeUndefined();
  expect(config.plugins).toBeUndefined();
  expect(config.trustedAddresses).toBeUndefined();
  expect(config.workers).toBe(availableParallelism());
  expect(config.http.clientMaxBodyBytes).toBe(0);
  expect(config.etcd.endpoints).toEqual(['http://127.0.0.1:2379']);
  expect(config.polygate.telemetry.enabled).toBe(false);
  expect([config.withoutEffect, config.warnings]).toEqual([[], []]);
  expect(load('')).toEqual({ ...config, file: expect.any(String), polygate: expect.anything() });
});

test('every key of APISIX is known, and what has an effect arrives in plain units', () => {
  const config = loadConfig(join(import.meta.dirname, 'fixtures/apisix-full.yaml'), {});
  expect(config).toMatchObject({
    role: 'traditional',
    configProvider: 'etcd',
    routerHttp: 'radixtree_uri',
    nodeListen: [
      { host: '0.0.0.0', port: 19080, http2: false },
      { host: '0.0.0.0', port: 19081, http2: false },
      { host: '127.0.0.2', port: 19082, http2: false },
    ],
    control: { enabled: true, host: '127.0.0.4', port: 19090 },
    status: { host: '127.0.0.5', port: 17085 },
    deleteUriTailSlash: true,
    normalizeUriLikeServlet: true,
    matchUriEncodedSlash: true,
    postArgsBytesMax: 8 * 1024 * 1024,
    showUpstreamStatus: true,
    serverTokens: false,
    upstreamHealthchecks: false,
    trustedAddresses: ['10.1.2.3', '10.0.0.0/8', 'fd00::/8'],
    plugins: ['key-auth', 'limit-count'],
    streamPlugins: ['syslog'],
    nginxEnvs: ['HOME', 'COLOUR=red'],
    workers: 3,
    errorLogLevel: 'info',
    errorLogFile: '/var/log/acme.log',
    accessLog: {
      enabled: false,
      file: join(config.polygate.dataDir, 'logs/acme.log'),
      bufferBytes: 1024,
      format: '$remote_addr',
      escape: 'json',
    },
  });
  expect(config.http).toEqual({
    clientMaxBodyBytes: 8 * 1024 * 1024,
    keepaliveTimeoutMs: 61_000,
    clientHeaderTimeoutMs: 62_000,
    clientBodyTimeoutMs: 500,
    sendTimeoutMs: 12_000,
    realIpHeader: 'X-Forwarded-For',
    realIpRecursive: true,
    realIpFrom: ['127.0.0.1', 'unix:', '10.0.0.0/8'],
    underscoresInHeaders: false,
    upstreamKeepalive: { connectionsMax: 64, requestsMax: 500, idleTimeoutMs: 30_000 },
    upstreamTlsServerName: false,
  });
  expect(config.etcd).toEqual({
    endpoints: ['http://127.0.0.1:12379', 'https://etcd.example.com:2379'],
    prefix: '/acme',
    username: 'root',
    password: 'etcd-password',
    timeoutMs: 7000,
    watchTimeoutMs: 20_000,
    resyncDelayMs: 2000,
    startupRetriesMax: 4,
    tls: { verify: false, serverName: 'etcd.example.com' },
  });
  expect(config.admin).toMatchObject({
    listen: { host: '0.0.0.0', port: 19180 },
    keys: [
      { name: 'boss', key: 'a-key-of-our-own', role: 'admin' },
      { name: 'auditor', key: 'another-key', role: 'viewer' },
    ],
    allowCidrs: ['127.0.0.0/24', '::1'],
    cors: false,
    apiVersion: 'v2',
  });
  expect(config.polygate.limits.connectionsMax).toBe(777);
  expect(config.polygate.shutdownGraceMs).toBe(90_000);
});

test('keys that do nothing here are collected by path, each section once', () => {
  const config = loadConfig(join(import.meta.dirname, 'fixtures/apisix-full.yaml'), {});
  for (const path of [
    'apisix.proxy_protocol',
    'apisix.stream_proxy',
    'apisix.ssl.listen[0].enable_http3',
    'nginx_config.worker_rlimit_nofile',
    'nginx_config.http_configuration_snippet',
    'nginx_config.http.lua_shared_dict',
    'discovery.tars',
    'wasm',
  ]) {
    expect(config.withoutEffect).toContain(path);
  }
  expect(config.withoutEffect).not.toContain('apisix.node_listen');
  expect(config.withoutEffect.filter((path) => path.startsWith('discovery'))).toHaveLength(1);
});

test('plugin_attr is merged deeply over the defaults, lists and plugins are replaced', () => {
  const { pluginAttr } = loadConfig(join(import.meta.dirname, 'fixtures/apisix-full.yaml'), {});
  expect(pluginAttr['prometheus']).toEqual({
    export_uri: '/apisix/prometheus/metrics',
    metric_prefix: 'acme_',
    enable_export_server: true,
    export_addr: { ip: '127.0.0.1', port: 19091 },
    refresh_interval: 15,
    metrics: { http_status: { extra_labels: [{ upstream_addr: '$upstream_addr' }] } },
  });
  expect(pluginAttr['redirect']).toEqual({ https_port: 8443 });
  expect(load('').pluginAttr['prometheus']).toHaveProperty('metric_prefix', 'apisix_');
  expect(load('plugin_attr: {prometheus: null}').pluginAttr).not.toHaveProperty('prometheus');
});

test('streams are off by default; what may be written of them is read', () => {
  expect(load('')).toMatchObject({ proxyMode: 'http', xrpcProtocols: [] });
  const yaml = 'apisix: {proxy_mode: stream}\nxrpc: {protocols: [{name: redis}, {name: dubbo}]}';
  const config = load(yaml);
  expect(config).toMatchObject({ proxyMode: 'stream', xrpcProtocols: ['redis', 'dubbo'] });
  // they are stored, not served
  expect(config.withoutEffect).toEqual(['apisix.proxy_mode', 'xrpc']);
  expect(problems('xrpc: {protocols: redis}')).toHaveLength(1);
});

test('every problem is named with its path and a near key is proposed', () => {
  const yaml = `
apisix:
  enable_admin: maybe
  router: {http: radixtree}
  trusted_addresses: [10.0.0.0/33]
nginx_config:
  http: {client_max_body_size: lots, keepalive_timeout: 60x}
deployment:
  etcd: {host: 5, prefix: apisix}
polygate: {limits: {request_headers_max: 0}, data_dirs: x}
`;
  expect(problems(yaml).toSorted()).toEqual([
    'apisix.enable_admin: expected true or false, got text',
    'apisix.router.http: expected one of radixtree_host_uri, radixtree_uri, ' +
      'radixtree_uri_with_parameter, got text',
    'apisix.trusted_addresses[0]: expected an IP address or CIDR, got text',
    'deployment.etcd.host: expected a list of URLs, got number',
    'deployment.etcd.prefix: expected a path such as /apisix, got text',
    'nginx_config.http.client_max_body_size: expected a size such as 8m, got text',
    'nginx_config.http.keepalive_timeout: expected a time such as 60s, got text',
    'polygate.data_dirs: unknown key (did you mean data_dir?)',
    'polygate.limits.request_headers_max: expected a whole number of at least 1, got number',
  ]);
});

test.each([
  ['- 1', 'the file: expected a mapping of keys'],
  ['apisix: 1', 'apisix: expected a mapping, got number'],
  [
    'apisix: {node_listen: "9080"}',
    'apisix.node_listen: expected a port or a list of ports, got text',
  ],
  ['apisix: {node_listen: 70000}', 'apisix.node_listen: expected a whole number from 0 to 65535'],
  ['apisix: {node_listen: [[1]]}', 'apisix.node_listen[0]: expected a mapping, got a list'],
  [
    'apisix: {node_listen: []}',
    'apisix.node_listen: expected a port or a list of ports, got an empty',
  ],
  ['apisix: {node_listen: [null]}', 'apisix.node_listen[0]: expected a port, or a mapping'],
  [
    'apisix: {data_encryption: {keyring: short}}',
    'apisix.data_encryption.keyring: expected keys of',
  ],
  ['plugins: key-auth', 'plugins: expected a list of texts, got text'],
  ['plugins: [1]', 'plugins[0]: expected text, got number'],
  ['plugin_attr: {redirect: 1}', 'plugin_attr.redirect: expected a mapping'],
  ['deployment: {role: standalone}', 'deployment.role: expected one of traditional,'],
  [
    'deployment: {admin: {https_admin: true}}',
    'deployment.admin.admin_api_mtls: admin_ssl_cert and',
  ],
  ['deployment: {etcd: {tls: {cert: nowhere.pem}}}', 'deployment.etcd.tls.cert: there is no file'],
  ['nginx_config: {envs: ["A\\nB"]}', 'nginx_config.envs[0]: expected NAME or NAME=value'],
  ['nginx_config: {error_log: "syslog:server=a"}', 'nginx_config.error_log: expected a path'],
  ['nginx_config: {http: {access_log: "logs/$host"}}', 'http.access_log: expected a path'],
  [
    'nginx_config: {http: {access_log_format: "a $ b"}}',
    'access_log_format: expected a log_format',
  ],
  ['polygate: {control: {listen: here}}', 'polygate.control.listen: expected unix:<path> or'],
  ['{', 'Flow map must end with a } at line 1, column 2'],
  ['a: 1\n---\nb: 1', 'More than one document'],
  ['a:\n  b: 1\n c: 1', ' at line 3, column '],
  ['a: 1\na: 2', 'Map keys must be unique'],
])('the file %j is refused', (yaml, problem) => {
  expect(problems(yaml).join('\n')).toContain(problem);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('an unknown key of APISIX is named with what may be meant, and does not stop the start', () => {
  const { warnings } = load('apisix: {node_lisen: 9080, admin_key: x}\n__proto__: {polluted: 1}');
  expect(warnings).toEqual([
    '__proto__: unknown key, it is ignored',
    'apisix.node_lisen: unknown key (did you mean node_listen?), it is ignored',
    'apisix.admin_key: unknown key, it is ignored',
  ]);
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('a message never holds the value that was refused', () => {
  const text = problems('deployment: {etcd: {password: [hunter2]}, admin: {admin_key: hunter2}}');
  expect(text).toHaveLength(2);
  expect(text.join()).not.toContain('hunter2');
  for (const broken of [
    '{password: "hunter2}',
    'a: [1]\n  hunter2',
    'a: *hunter2',
    'a: !hunter2 x: y',
  ]) {
    const text = problems(broken).join();
    expect(text).not.toBe('');
    expect(text).not.toContain('hunter2');
  }
});

test('logs stay in the data folder unless a path is absolute, or are switched off', () => {
  const logs = (nginx: string) => {
    const { accessLog, errorLogFile, polygate } = load(`nginx_config: ${nginx}`);
    const inData = (path?: string) => path?.replace(polygate.dataDir, 'data');
    return [accessLog.enabled, inData(accessLog.file), inData(errorLogFile)];
  };
  expect(logs('')).toEqual([true, 'data/logs/access.log', undefined]);
  expect(logs('{error_log: e.log, http: {access_log: /dev/stdout}}')).toEqual([
    ...[true, '/dev/stdout', 'data/e.log'],
  ]);
  expect(logs('{error_log: stderr, http: {access_log: "off"}}')[0]).toBe(false);
  expect(logs('{error_log: /dev/stderr}')[2]).toBeUndefined();
});

test('aliases that multiply without end are refused', () => {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `k${i + 1}: &k${i + 1} [${`*k${i},`.repeat(9)}]`,
  );
  expect(problems(['k0: &k0 [x]', ...levels].join('\n')).join()).toContain('alias');
});

test('a file that is missing or too large is refused by name', () => {
  expect(() => loadConfig(join(folder, 'none.yaml'), {})).toThrow('cannot be read (ENOENT)');
  expect(() => load(`#${'x'.repeat(5 * 1024 * 1024)}`)).toThrow('more than');
});

test('merge keys and YAML 1.1 words for true and false are taken', () => {
  const config = load(
    'apisix: &a {enable_control: off}\nnginx_config: {http: {underscores_in_headers: no}}',
  );
  expect(config.control.enabled).toBe(false);
  expect(config.http.underscoresInHeaders).toBe(false);
  const merged = load('plugin_attr: {a: &a {x: 1}, b: {<<: *a, y: 2}}');
  expect(merged.pluginAttr['b']).toEqual({ x: 1, y: 2 });
});

test('TLS is not served where `apisix.ssl.enable` has no value, as in APISIX', () => {
  expect(load('apisix: {ssl: {enable: null}}').ssl.enabled).toBe(false);
  expect(load('apisix: {ssl: {}}').ssl.enabled).toBe(true);
});

test('an empty value counts as not written, but for the plugins and the keyring', () => {
  const config = load('apisix:\nplugins:\ndeployment: {etcd: , admin: {admin_key: }}');
  expect(config.dataEncryption.keyring).toHaveLength(2);
  const unencrypted = load('apisix: {data_encryption: {keyring: null}}');
  expect(unencrypted.dataEncryption.keyring).toEqual([]);
  expect(config.plugins).toEqual([]);
  expect(load('').plugins).toBeUndefined();
  expect(config.configProvider).toBe('embedded');
  expect(config.admin.keys).toEqual([]);
});

test('a port of its own may speak HTTP/2 when the others do not', () => {
  const { nodeListen } = load(
    'apisix: {enable_http2: false, node_listen: [{port: 1, enable_http2: true}, {ip: "::"}]}',
  );
  expect(nodeListen).toEqual([
    { host: '0.0.0.0', port: 1, http2: true },
    { host: '::', port: 9080, http2: false },
  ]);
});

test('workers come from polygate, the environment, dev mode and nginx, in this order', () => {
  const nginx = 'nginx_config: {worker_processes: "5"}';
  expect(load(nginx).workers).toBe(5);
  expect(load(`apisix: {enable_dev_mode: true}\n${nginx}`).workers).toBe(1);
  expect(load(nginx, { APISIX_WORKER_PROCESSES: '7' }).workers).toBe(7);
  expect(load(`polygate: {workers: 2}\n${nginx}`, { APISIX_WORKER_PROCESSES: '7' }).workers).toBe(
    2,
  );
  expect(problems('', { APISIX_WORKER_PROCESSES: 'many' })).toHaveLength(1);
});

test('TLS files for etcd count from the working directory and must exist', () => {
  const { etcd } = load(
    'apisix: {ssl: {ssl_trusted_certificate: package.json}}\n' +
      'deployment: {etcd: {tls: {cert: package.json, key: package.json}}}',
  );
  const path = resolve('package.json');
  expect(etcd.tls).toEqual({ verify: true, caFile: path, certFile: path, keyFile: path });
});

test('APISIX_DEPLOYMENT_ETCD_HOST goes before the file', () => {
  const env = { APISIX_DEPLOYMENT_ETCD_HOST: '["http://a:2379","http://b:2379"]' };
  const config = load('deployment: {etcd: {host: ["http://c:2379"]}}', env);
  expect(config.etcd.endpoints).toEqual(['http://a:2379', 'http://b:2379']);
  expect(load('', env).configProvider).toBe('etcd');
  for (const wrong of ['http://a:2379', '[]', '[1]', '["ftp://a"]']) {
    expect(problems('', { APISIX_DEPLOYMENT_ETCD_HOST: wrong })).toEqual([
      'APISIX_DEPLOYMENT_ETCD_HOST: expected a list of URLs as JSON',
    ]);
  }
});

test('reloading reads the plugins and minds nothing else', () => {
  const file = write(
    'plugins: [echo]\nplugin_attr: {echo: {a: "${{A:=1}}"}}\napisix: {wrong: "${{NO}}"}',
  );
  const list = reloadPluginList(file, {});
  expect(list.plugins).toEqual(['echo']);
  expect(list.pluginAttr['echo']).toEqual({ a: 1 });
  expect(list.pluginAttr['prometheus']).toHaveProperty('metric_prefix', 'apisix_');
  writeFileSync(file, 'plugins: none');
  expect(() => reloadPluginList(file, {})).toThrow('plugins: expected a list of texts, got text');
});

test('attributes that a reloaded file no longer has stay as they were', () => {
  const file = write('plugin_attr: {prometheus: {export_uri: /b}, echo: {a: 2}}');
  const before = { prometheus: { export_uri: '/a', enable_export_server: false }, other: { x: 1 } };
  expect(reloadPluginList(file, {}, before).pluginAttr).toEqual({
    prometheus: { export_uri: '/b', enable_export_server: false },
    echo: { a: 2 },
    other: { x: 1 },
  });
});

test('the data folder stands beside conf, or in the folder of a file that is elsewhere', () => {
  mkdirSync(join(folder, 'conf'));
  const inConf = join(folder, 'conf', 'config.yaml');
  writeFileSync(inConf, '');
  expect(loadConfig(inConf, {}).polygate.dataDir).toBe(join(folder, 'data'));
  expect(load('').polygate.dataDir).toBe(join(folder, 'data'));
  writeFileSync(inConf, 'polygate: {data_dir: ../elsewhere}');
  expect(loadConfig(inConf, {}).polygate.dataDir).toBe(join(folder, 'elsewhere'));
});
