import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { readAdmin } from './admin-config.ts';
import { ConfigFileError } from './config-file-error.ts';
import { chooseProvider } from './config-provider.ts';
import { parseConfigText } from './config-text.ts';
import { readDiscovery } from './discovery-config.ts';
import type {
  AccessLogConfig,
  EtcdConfig,
  GatewayConfig,
  HttpConfig,
  LogLevel,
  NodeListen,
  PluginAttr,
  PluginList,
} from './gateway-config.ts';
import { freeForm, isMapping, section, type Findings, type RuleValue } from './keys/key-rules.ts';
import { KNOWN_KEYS, PLUGIN_KEYS, type WrittenConfig } from './keys/known-keys.ts';
import { readPluginSettings } from './plugin-settings.ts';
import { readPolygate } from './polygate-config.ts';
import { ETCD_HOST_VARIABLE, pathOf, type ReadContext } from './read-context.ts';
import { isHttpUrl } from './keys/value-rules.ts';
import { readSsl } from './ssl-config.ts';

const FILE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Reads a configuration file as APISIX does: YAML, environment variables as `${{NAME:=default}}`,
 * merged over the defaults (mappings deeply, lists as a whole). An empty file is all defaults.
 * Relative paths in it count from the working directory, `polygate.data_dir` from the file's
 * folder, logs from `polygate.data_dir`. Throws a ConfigFileError that lists every problem. Keys
 * that do nothing here are in `withoutEffect`, things to be warned of in `warnings`. Follows
 * apisix/cli/file.lua (`read_yaml_conf`) and apisix/cli/ops.lua (`init`).
 */
export function loadConfig(
  file: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): GatewayConfig {
  const path = resolve(file);
  const parsed = parseConfigText(readConfigFile(path), path, env);
  const { findings } = parsed;
  const written = KNOWN_KEYS.read(parsed.document, '', findings);
  const warnings: string[] = findings.unknownKeys.map((unknown) => `${unknown}, it is ignored`);
  const config = normalise(written, { ...parsed, path, env, warnings });
  if (findings.problems.length > 0)
    throw new ConfigFileError(path, [...new Set(findings.problems)]);
  return config;
}

/**
 * Reads only `plugins`, `stream_plugins` and `plugin_attr` anew; the rest of the file need not be
 * valid. With `attrBefore` attributes that the file no longer has stay as they were: APISIX merges the
 * file into what it had. Throws a ConfigFileError.
 */
export function reloadPluginList(
  file: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
  attrBefore?: PluginAttr,
): PluginList {
  const path = resolve(file);
  const { document, findings } = parseConfigText(readConfigFile(path), path, env, [
    ...Object.keys(PLUGIN_KEYS),
  ]);
  const attrKeys = attrBefore && { plugin_attr: freeForm(attrBefore) };
  const keys = section({ ...PLUGIN_KEYS, ...attrKeys });
  const list = readPluginList(keys.read(document, '', findings), findings);
  if (findings.problems.length > 0) throw new ConfigFileError(path, findings.problems);
  return list;
}

function readConfigFile(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'unknown error';
    throw new ConfigFileError(path, [`the file cannot be read (${code})`], { cause });
  }
  if (bytes.length <= FILE_BYTES_MAX) return bytes.toString('utf8');
  throw new ConfigFileError(path, [`the file has more than ${FILE_BYTES_MAX} bytes`]);
}

function normalise(written: WrittenConfig, context: ReadContext): GatewayConfig {
  const { apisix, nginx_config: nginx } = written;
  const { findings, path, warnings } = context;
  const { role } = written.deployment;
  const configDir = dirname(path);
  const configProvider = chooseProvider(written, context);
  const polygate = readPolygate(written, context);
  return {
    file: path,
    configDir,
    role,
    configProvider,
    etcd: readEtcd(written, context),
    standaloneFile: join(configDir, configProvider === 'json' ? 'apisix.json' : 'apisix.yaml'),
    admin: readAdmin(written, context),
    nodeListen: readNodeListen(apisix),
    ssl: readSsl(written, context),
    control: { enabled: apisix.enable_control, host: apisix.control.ip, port: apisix.control.port },
    status: apisix.status && { host: apisix.status.ip, port: apisix.status.port },
    routerHttp: apisix.router.http,
    proxyMode: apisix.proxy_mode,
    xrpcProtocols: written.xrpc.protocols,
    nodeId: nodeIdOf(apisix.id),
    deleteUriTailSlash: apisix.delete_uri_tail_slash,
    normalizeUriLikeServlet: apisix.normalize_uri_like_servlet,
    matchUriEncodedSlash: apisix.match_uri_encoded_slash,
    postArgsBytesMax: apisix.max_post_args_readable_size * 1024 * 1024,
    showUpstreamStatus: apisix.show_upstream_status_in_response_header,
    serverTokens: apisix.enable_server_tokens,
    upstreamHealthchecks: !apisix.disable_upstream_healthcheck,
    trustedAddresses: apisix.trusted_addresses,
    dns: {
      servers: apisix.dns_resolver,
      validMs: apisix.dns_resolver_valid,
      timeoutMs: apisix.resolver_timeout,
      ipv6: apisix.enable_ipv6,
    },
    discovery: readDiscovery(written),
    dataEncryption: {
      // a standalone configuration is written by hand, in clear: apisix/plugin.lua, enable_gde
      enabled:
        apisix.data_encryption.enable_encrypt_fields &&
        (configProvider === 'etcd' || configProvider === 'embedded'),
      keyring: apisix.data_encryption.keyring,
    },
    secretCache: { ttlMs: apisix.lru.secret.ttl, retryMs: apisix.lru.secret.neg_ttl },
    graphqlMaxBytes: written.graphql.max_size,
    ...readPluginList(written, findings),
    nginxEnvs: nginx.envs,
    workers: countWorkers(written, context),
    errorLogLevel: LOG_LEVELS[nginx.error_log_level],
    errorLogFile: errorLogFile(nginx.error_log, polygate.dataDir),
    http: readHttp(nginx.http),
    accessLog: readAccessLog(nginx.http, polygate.dataDir),
    polygate,
    pluginSettings: readPluginSettings(written, context),
    withoutEffect: findings.withoutEffect,
    warnings,
  };
}

const LOG_LEVELS: Readonly<Record<WrittenConfig['nginx_config']['error_log_level'], LogLevel>> = {
  debug: 'debug',
  info: 'info',
  notice: 'info',
  warn: 'warn',
  error: 'error',
  crit: 'error',
  alert: 'error',
  emerg: 'error',
};

function readNodeListen(apisix: WrittenConfig['apisix']): readonly NodeListen[] {
  const http2 = apisix.enable_http2;
  // APISIX would listen on 0.0.0.0; nobody asked, so nobody from outside gets in.
  if (!apisix.node_listen) return [{ host: '127.0.0.1', port: 9080, http2 }];
  return apisix.node_listen.map(({ ip, port, enable_http2 }) => ({
    host: ip ?? '0.0.0.0',
    port,
    http2: enable_http2 ?? http2,
  }));
}

function readEtcd(written: WrittenConfig, { env, findings }: ReadContext): EtcdConfig {
  const { etcd } = written.deployment;
  const { tls } = etcd;
  const trusted = written.apisix.ssl.ssl_trusted_certificate;
  const caFile = trusted === 'system' ? undefined : trusted;
  return {
    endpoints: (hostsFromEnvironment(env, findings) ?? etcd.host).map((url) =>
      url.replace(/\/$/, ''),
    ),
    prefix: etcd.prefix.replace(/\/$/, ''),
    ...(etcd.user !== undefined && { username: etcd.user }),
    ...(etcd.password !== undefined && { password: etcd.password }),
    timeoutMs: etcd.timeout,
    watchTimeoutMs: etcd.watch_timeout,
    resyncDelayMs: etcd.resync_delay,
    startupRetriesMax: etcd.startup_retry,
    tls: {
      verify: tls.verify,
      ...pathOf('caFile', 'apisix.ssl.ssl_trusted_certificate', caFile, findings),
      ...pathOf('certFile', 'deployment.etcd.tls.cert', tls.cert, findings),
      ...pathOf('keyFile', 'deployment.etcd.tls.key', tls.key, findings),
      ...(tls.sni !== undefined && { serverName: tls.sni }),
    },
  };
}

/** APISIX's one reserved variable: a JSON list of URLs, in place of `deployment.etcd.host`. */
function hostsFromEnvironment(env: ReadContext['env'], findings: Findings) {
  const json = env[ETCD_HOST_VARIABLE];
  if (!json) return undefined;
  let hosts: unknown;
  try {
    hosts = JSON.parse(json);
  } catch {
    hosts = undefined;
  }
  const isUrl = (host: unknown) => typeof host === 'string' && isHttpUrl(host);
  if (Array.isArray(hosts) && hosts.length > 0 && hosts.every(isUrl)) return hosts as string[];
  findings.problems.push(`${ETCD_HOST_VARIABLE}: expected a list of URLs as JSON`);
  return undefined;
}

function countWorkers(written: WrittenConfig, { env, findings }: ReadContext): number {
  const fromEnv = env['APISIX_WORKER_PROCESSES'];
  const { workers } = written.polygate;
  if (workers !== undefined) return workers;
  if (fromEnv !== undefined && fromEnv !== '') {
    const count = Math.floor(Number(fromEnv));
    if (count >= 1 && count <= 1024) return count;
    findings.problems.push('APISIX_WORKER_PROCESSES: expected a number from 1 to 1024');
    return 1;
  }
  if (written.apisix.enable_dev_mode) return 1;
  const processes = written.nginx_config.worker_processes;
  return processes === 'auto' ? availableParallelism() : processes;
}

function readHttp(http: WrittenConfig['nginx_config']['http']): HttpConfig {
  return {
    clientMaxBodyBytes: http.client_max_body_size,
    keepaliveTimeoutMs: http.keepalive_timeout,
    clientHeaderTimeoutMs: http.client_header_timeout,
    clientBodyTimeoutMs: http.client_body_timeout,
    sendTimeoutMs: http.send_timeout,
    realIpHeader: http.real_ip_header,
    realIpRecursive: http.real_ip_recursive,
    realIpFrom: http.real_ip_from,
    underscoresInHeaders: http.underscores_in_headers,
    upstreamKeepalive: {
      connectionsMax: http.upstream.keepalive,
      requestsMax: http.upstream.keepalive_requests,
      idleTimeoutMs: http.upstream.keepalive_timeout,
    },
    upstreamTlsServerName: http.proxy_ssl_server_name,
  };
}

/** In APISIX relative paths count from nginx's prefix, which is where its logs and its data are. */
function readAccessLog(
  http: WrittenConfig['nginx_config']['http'],
  dataDir: string,
): AccessLogConfig {
  return {
    enabled: http.enable_access_log && http.access_log !== 'off',
    file: resolve(dataDir, http.access_log),
    bufferBytes: http.access_log_buffer,
    format: http.access_log_format,
    escape: http.access_log_format_escape,
  };
}

function errorLogFile(written: string | undefined, dataDir: string): string | undefined {
  if (written === undefined || written === 'stderr' || written === '/dev/stderr') return undefined;
  return resolve(dataDir, written);
}

type WrittenPlugins = {
  readonly [K in keyof typeof PLUGIN_KEYS]: RuleValue<(typeof PLUGIN_KEYS)[K]>;
};

function readPluginList(written: WrittenPlugins, findings: Findings): PluginList {
  const attrs = Object.entries(written.plugin_attr).filter(([name, attr]) => {
    if (isMapping(attr)) return true;
    findings.problems.push(`plugin_attr.${name}: expected a mapping`);
    return false;
  });
  return {
    plugins: written.plugins,
    streamPlugins: written.stream_plugins,
    pluginAttr: Object.fromEntries(attrs) as PluginList['pluginAttr'],
  };
}

/** YAML may well read it as a number. */
function nodeIdOf(id: unknown): string | undefined {
  return typeof id === 'string' || typeof id === 'number' ? String(id) : undefined;
}
