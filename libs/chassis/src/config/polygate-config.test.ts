import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'chassis-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(polygate: string, env: Record<string, string> = {}, name = 'config.yaml') {
  const file = join(folder, name);
  writeFileSync(file, `polygate: ${polygate}\n`);
  return loadConfig(file, env);
}

test('sockets lie in a folder of the user and the configuration file', () => {
  const { runDir, runnerManager, control } = load('{}').polygate;
  const user = process.getuid?.() ?? 0;
  expect(runDir).toMatch(new RegExp(`/polygate-${user}-[0-9a-f]{8}$`));
  expect(runnerManager).toMatchObject({
    listen: `unix:${runDir}/runner-manager.sock`,
    address: `unix:${runDir}/runner-manager.sock`,
    callTimeoutMs: 60_000,
  });
  expect(control.listen).toBe(`unix:${runDir}/control.sock`);
  expect(load('{}', {}, 'other.yaml').polygate.runDir).not.toBe(runDir);
});

test('a service on the network is found at its address and warned of', () => {
  const { polygate, warnings } = load(
    '{control: {listen: "0.0.0.0:9281"}, ' +
      'runner_manager: {listen: "127.0.0.1:9280", address: "runners:1"}}',
  );
  expect(polygate.control).toEqual({ listen: '0.0.0.0:9281', address: '127.0.0.1:9281' });
  expect(polygate.runnerManager).toMatchObject({ listen: '127.0.0.1:9280', address: 'runners:1' });
  expect(warnings).toEqual([
    'polygate.control.listen can be reached from outside, and its traffic is not encrypted',
  ]);
});

test('a path too long for a socket is refused before anything listens', () => {
  expect(() => load(`{run_dir: /${'x'.repeat(100)}}`)).toThrow('set polygate.run_dir to a shorter');
});

test('limits take sizes, and the echo upstream has an address', () => {
  const { limits, echoUpstream, shutdownGraceMs } = load(
    '{limits: {request_head_bytes_max: 1k}, echo_upstream: {}, shutdown_grace_ms: 5}',
  ).polygate;
  expect(limits).toMatchObject({ requestHeadBytesMax: 1024, connectionsMax: 10_620 });
  expect(echoUpstream).toEqual({ host: '127.0.0.1', port: 1980 });
  expect(shutdownGraceMs).toBe(5);
  expect(load('{}').polygate).not.toHaveProperty('echoUpstream');
});

test.each([
  ['{}', {}, false],
  ['{telemetry: {endpoint: "http://c:4318/"}}', {}, true],
  ['{}', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, true],
  ['{}', { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://c:4318/t' }, true],
  ['{}', { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, false],
  ['{telemetry: {enabled: false}}', { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://c:4318' }, false],
  ['{telemetry: {enabled: true}}', { OTEL_SDK_DISABLED: 'true' }, false],
  ['{telemetry: {enabled: true}}', {}, true],
] as const)('with %s and %j telemetry is on: %s', (polygate, env, enabled) => {
  expect(load(polygate, { ...env }).polygate.telemetry.enabled).toBe(enabled);
});

test('the service name of telemetry comes from the file, then from the environment', () => {
  const env = { OTEL_SERVICE_NAME: 'edge' };
  expect(load('{}', env).polygate.telemetry.serviceName).toBe('edge');
  expect(load('{telemetry: {service_name: mine}}', env).polygate.telemetry).toMatchObject({
    serviceName: 'mine',
    sampleRatio: 1,
  });
  expect(() => load('{telemetry: {sample_ratio: 2}}')).toThrow('expected a number from 0 to 1');
});
