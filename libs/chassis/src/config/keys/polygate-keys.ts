import {
  flag,
  integer,
  listOf,
  oneOf,
  optionalSection,
  scalar,
  section,
  text,
} from './key-rules.ts';
import { requiredAddress, runner } from './runner-keys.ts';
import { host, isHttpUrl, nginxSize, port, serviceAddress, texts } from './value-rules.ts';

const ratio = scalar('a number from 0 to 1', 1, (value) =>
  typeof value === 'number' && value >= 0 && value <= 1 ? value : undefined,
);

/** Ours. Units stand in the names, as nothing of APISIX's has to be matched here. */
export const POLYGATE = section({
  data_dir: text(undefined),
  run_dir: text(undefined),
  workers: integer(undefined, 1, 1024),
  runner_manager: section({
    listen: serviceAddress,
    address: serviceAddress,
    connect_timeout_ms: integer(1000, 1),
    call_timeout_ms: integer(60_000, 1),
    in_flight_max: integer(1024, 1),
    addresses: listOf(requiredAddress, undefined, {
      expects: 'a list of addresses',
      itemsMin: 1,
    }),
    listen_tls: optionalSection({
      cert: text(undefined),
      key: text(undefined),
      client_ca: text(undefined),
    }),
    address_tls: optionalSection({
      ca: text(undefined),
      cert: text(undefined),
      key: text(undefined),
      server_name: host(undefined),
    }),
  }),
  runners: listOf(runner, [], { expects: 'a list of runners' }),
  control: section({ listen: serviceAddress, address: serviceAddress }),
  admin: section({
    failed_keys_max: integer(20, 0, 1_000_000),
    failed_keys_window_ms: integer(60_000, 1000, 86_400_000),
  }),
  limits: section({
    request_head_bytes_max: nginxSize(32_768),
    request_headers_max: integer(200, 1),
    response_head_bytes_max: nginxSize(65_536),
    buffered_body_bytes_max: nginxSize(16_777_216),
    connections_max: integer(undefined, 1),
    request_target_bytes_max: nginxSize(8192),
    request_total_ms: integer(undefined, 1),
    http2_streams_max: integer(128, 1, 100_000),
    http2_requests_max: integer(100_000, 1),
    http2_resets_max: integer(500, 1),
    http2_resets_window_ms: integer(10_000, 100),
    http2_overhead_bytes_max: nginxSize(1_048_576),
    http2_invalid_frames_max: integer(100, 1, 1_000_000),
    http2_session_bytes_max: nginxSize(16_777_216),
  }),
  telemetry: section({
    enabled: flag(undefined),
    endpoint: text(undefined, 'an http or https URL', isHttpUrl),
    service_name: text(undefined),
    sample_ratio: ratio,
    metrics_interval_ms: integer(60_000, 100),
  }),
  log_format: oneOf(['text', 'json'], 'text'),
  shutdown_grace_ms: integer(undefined, 0),
  echo_upstream: optionalSection({ ip: host('127.0.0.1'), port: port(1980) }),
  sample: flag(false),
  store_check_interval_ms: integer(300_000, 0, 86_400_000),
  last_good_snapshot: flag(true),
  plugin_dirs: texts([]),
  serverless_javascript: flag(false),
});
