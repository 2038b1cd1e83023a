import {
  flag,
  freeForm,
  integer,
  listOf,
  oneOf,
  scalar,
  section,
  text,
  unused,
} from './key-rules.ts';
import { isCidr, nginxSize, nginxTime, texts } from './value-rules.ts';

const LOG_LEVELS = ['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg'] as const;

const ACCESS_LOG_FORMAT =
  '$remote_addr - $remote_user [$time_local] $http_host "$request" $status $body_bytes_sent ' +
  '$request_time "$http_referer" "$http_user_agent" $upstream_addr $upstream_status ' +
  '$upstream_response_time "$upstream_scheme://$upstream_host$upstream_uri" "$apisix_request_id"';

// nginx also writes to syslog and, for the access log, to paths with variables.
const logFile = <F extends string | undefined>(fallback: F) =>
  text(fallback, 'a path, /dev/stdout or /dev/stderr', (value) =>
    /^(?!syslog:|memory:)[^$\0]+$/.test(value),
  );

const escape = oneOf(['default', 'json', 'none'], 'default');
const snippet = unused(text(''));

// nginx also takes host names for `set_real_ip_from`; resolving them once at start invites
// surprise.
const realIpSource = text(
  '',
  'an IP address, a CIDR or unix:',
  (value) => value === 'unix:' || isCidr(value),
);

const envEntry = text('', 'NAME or NAME=value without control characters', (value) =>
  /^[^=\x00-\x1f]+(=[^\x00-\x1f]*)?$/.test(value),
);

const HTTP = section({
  enable_access_log: flag(true),
  access_log: logFile('logs/access.log'),
  access_log_buffer: nginxSize(16_384),
  access_log_format: text(
    ACCESS_LOG_FORMAT,
    'a log_format of nginx, with $name and ${name}',
    (value) => !/\$(?!\w|\{\w+\})/.test(value),
  ),
  access_log_format_escape: escape,
  keepalive_timeout: nginxTime(60_000),
  client_header_timeout: nginxTime(60_000),
  client_body_timeout: unused(nginxTime(60_000)),
  client_max_body_size: nginxSize(0),
  send_timeout: unused(nginxTime(10_000)),
  underscores_in_headers: unused(flag(true)),
  real_ip_header: text('X-Real-IP'),
  real_ip_recursive: flag(false),
  real_ip_from: listOf(realIpSource, ['127.0.0.1', 'unix:'], {
    expects: 'a list of IP addresses and CIDRs',
  }),
  custom_lua_shared_dict: unused(freeForm()),
  proxy_ssl_server_name: flag(true),
  upstream: section({
    keepalive: unused(integer(320, 0)),
    keepalive_requests: unused(integer(1000, 1)),
    keepalive_timeout: unused(nginxTime(60_000)),
  }),
  charset: unused(text('utf-8')),
  variables_hash_max_size: unused(integer(2048, 1)),
  lua_shared_dict: unused(freeForm()),
});

/** `nginx_config`: what describes traffic is used, what configures nginx and Lua is not. */
export const NGINX_CONFIG = section({
  user: unused(text('')),
  error_log: logFile(undefined),
  error_log_level: oneOf(LOG_LEVELS, 'warn'),
  worker_processes: scalar<number | 'auto'>('auto or a number of at least 1', 'auto', (value) => {
    if (value === 'auto') return value;
    const count = typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value;
    return Number.isSafeInteger(count) && (count as number) >= 1 ? (count as number) : undefined;
  }),
  enable_cpu_affinity: unused(flag(false)),
  worker_rlimit_nofile: unused(integer(20_480, 1)),
  worker_rlimit_core: unused(nginxSize(0)),
  worker_shutdown_timeout: nginxTime(undefined),
  max_pending_timers: unused(integer(16_384, 1)),
  max_running_timers: unused(integer(4096, 1)),
  event: section({ worker_connections: integer(10_620, 1) }),
  envs: listOf(envEntry, [], { expects: 'a list of environment variables' }),
  meta: unused(section({ lua_shared_dict: freeForm() })),
  stream: unused(
    section({
      real_ip_from: texts([]),
      enable_access_log: flag(false),
      access_log: text(''),
      access_log_format: text(''),
      access_log_format_escape: escape,
      metrics_zone_size: nginxSize(1_048_576),
      lua_shared_dict: freeForm(),
    }),
  ),
  main_configuration_snippet: snippet,
  http_configuration_snippet: snippet,
  http_server_configuration_snippet: snippet,
  http_server_location_configuration_snippet: snippet,
  http_admin_configuration_snippet: snippet,
  http_end_configuration_snippet: snippet,
  stream_configuration_snippet: snippet,
  http: HTTP,
});
