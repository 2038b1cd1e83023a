import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import type { PolygateConfig, ServiceAddress, TelemetryConfig } from './gateway-config.ts';
import type { WrittenConfig } from './keys/known-keys.ts';
import type { ReadContext } from './read-context.ts';
import { readRunnerManagerTls } from './runners-config-tls.ts';
import { readRunners } from './runners-config.ts';

/** macOS has room for 104 bytes with the final zero, Linux for 108. */
const SOCKET_PATH_BYTES_MAX = 103;

const SHUTDOWN_GRACE_MS = 30_000;

/** The `polygate` section, with what depends on the file's place filled in. */
export function readPolygate(written: WrittenConfig, context: ReadContext): PolygateConfig {
  const ours = written.polygate;
  const configDir = dirname(context.path);
  const dataBase = basename(configDir) === 'conf' ? dirname(configDir) : configDir;
  const runDir = resolve(ours.run_dir ?? defaultRunDir(context.path));
  const grace = ours.shutdown_grace_ms ?? written.nginx_config.worker_shutdown_timeout;
  const service = (name: 'runner_manager' | 'control', socket: string) =>
    readService(`polygate.${name}`, { ...ours[name], socket: join(runDir, socket) }, context);
  const runnerManager = service('runner_manager', 'runner-manager.sock');
  const addresses = ours.runner_manager.addresses?.map(absoluteSocket) ?? [runnerManager.address];
  return {
    dataDir:
      ours.data_dir === undefined ? join(dataBase, 'data') : resolve(configDir, ours.data_dir),
    runDir,
    runnerManager: {
      ...runnerManager,
      connectTimeoutMs: ours.runner_manager.connect_timeout_ms,
      callTimeoutMs: ours.runner_manager.call_timeout_ms,
      inFlightMax: ours.runner_manager.in_flight_max,
      addresses,
      ...readRunnerManagerTls(ours.runner_manager, { ...runnerManager, addresses }, context),
    },
    runners: readRunners(written, context),
    control: service('control', 'control.sock'),
    admin: {
      failedKeysMax: ours.admin.failed_keys_max,
      failedKeysWindowMs: ours.admin.failed_keys_window_ms,
    },
    limits: {
      requestHeadBytesMax: ours.limits.request_head_bytes_max,
      requestHeadersMax: ours.limits.request_headers_max,
      responseHeadBytesMax: ours.limits.response_head_bytes_max,
      bufferedBodyBytesMax: ours.limits.buffered_body_bytes_max,
      requestTargetBytesMax: ours.limits.request_target_bytes_max,
      requestTotalMs: ours.limits.request_total_ms ?? Infinity,
      connectionsMax: ours.limits.connections_max ?? written.nginx_config.event.worker_connections,
      http2StreamsMax: ours.limits.http2_streams_max,
      http2RequestsMax: ours.limits.http2_requests_max,
      http2ResetsMax: ours.limits.http2_resets_max,
      http2ResetsWindowMs: ours.limits.http2_resets_window_ms,
      http2OverheadBytesMax: ours.limits.http2_overhead_bytes_max,
      http2InvalidFramesMax: ours.limits.http2_invalid_frames_max,
      http2SessionBytesMax: ours.limits.http2_session_bytes_max,
    },
    telemetry: readTelemetry(ours.telemetry, context),
    logFormat: ours.log_format,
    shutdownGraceMs: grace ?? SHUTDOWN_GRACE_MS,
    ...(ours.echo_upstream && {
      echoUpstream: { host: ours.echo_upstream.ip, port: ours.echo_upstream.port },
    }),
    sample: ours.sample,
    storeCheckIntervalMs: ours.store_check_interval_ms,
    lastGoodSnapshot: ours.last_good_snapshot,
    pluginDirs: ours.plugin_dirs.map((folder) => resolve(configDir, folder)),
    serverlessJavaScript: ours.serverless_javascript,
  };
}

/**
 * Short, for it holds sockets; one per user and configuration file, so that two gateways get
 * along.
 */
function defaultRunDir(path: string): string {
  const user = process.getuid?.() ?? 0;
  const hash = createHash('sha1').update(path).digest('hex').slice(0, 8);
  return join(tmpdir(), `polygate-${user}-${hash}`);
}

function readService(
  path: string,
  written: {
    readonly listen: string | undefined;
    readonly address: string | undefined;
    readonly socket: string;
    readonly listen_tls?: object | undefined;
  },
  { findings, warnings }: ReadContext,
): ServiceAddress {
  const listen = absoluteSocket(written.listen ?? `unix:${written.socket}`);
  const address = absoluteSocket(
    written.address ?? listen.replace(/^(0\.0\.0\.0|\[::\]):/, '127.0.0.1:'),
  );
  for (const [key, value] of [
    ['listen', listen],
    ['address', address],
  ] as const) {
    if (!value.startsWith('unix:')) continue;
    if (Buffer.byteLength(value.slice(5)) <= SOCKET_PATH_BYTES_MAX) continue;
    findings.problems.push(
      `${path}.${key}: the path of the socket is longer than ${SOCKET_PATH_BYTES_MAX} bytes; ` +
        'set polygate.run_dir to a shorter one',
    );
  }
  const isEncrypted = written.listen_tls !== undefined;
  if (!isEncrypted && !/^(unix:|127\.|localhost:|\[::1\]:)/.test(listen)) {
    warnings.push(`${path}.listen can be reached from outside, and its traffic is not encrypted`);
  }
  return { listen, address };
}

function absoluteSocket(address: string): string {
  return address.startsWith('unix:') ? `unix:${resolve(address.slice(5))}` : address;
}

/**
 * An endpoint, in the file or in OpenTelemetry's own environment variables, switches telemetry on,
 * unless `enabled` or OTEL_SDK_DISABLED says otherwise. The exporters read their variables
 * themselves.
 */
function readTelemetry(
  written: WrittenConfig['polygate']['telemetry'],
  { env }: ReadContext,
): TelemetryConfig {
  const { endpoint } = written;
  const disabled = env['OTEL_SDK_DISABLED']?.toLowerCase() === 'true';
  const named = endpoint !== undefined || ENDPOINT_VARIABLES.some((name) => env[name]);
  return {
    enabled: !disabled && (written.enabled ?? named),
    ...(endpoint !== undefined && { endpoint: endpoint.replace(/\/$/, '') }),
    serviceName: written.service_name ?? (env['OTEL_SERVICE_NAME'] || 'polygate'),
    sampleRatio: written.sample_ratio,
    metricsIntervalMs: written.metrics_interval_ms,
  };
}

const ENDPOINT_VARIABLES = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
  'OTEL_EXPORTER_OTLP_METRICS_ENDPOINT',
];
