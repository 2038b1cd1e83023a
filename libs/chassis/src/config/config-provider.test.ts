import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from './load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'chassis-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(deployment: string, rest = '') {
  const file = join(folder, 'config.yaml');
  writeFileSync(file, `deployment: ${deployment}\n${rest}`);
  return loadConfig(file, {});
}

test.each([
  ['{}', 'embedded'],
  ['{etcd: {prefix: /a}}', 'etcd'],
  ['{role_traditional: {config_provider: etcd}}', 'etcd'],
  ['{role_traditional: {config_provider: embedded}, etcd: {prefix: /a}}', 'embedded'],
  ['{role: control_plane, role_control_plane: {config_provider: etcd}}', 'etcd'],
  ['{role: control_plane}', 'embedded'],
  ['{role_traditional: {config_provider: yaml}}', 'memory'],
  ['{role: data_plane}', 'etcd'],
  ['{role: data_plane, role_data_plane: {config_provider: yaml}}', 'yaml'],
  ['{role: data_plane, role_data_plane: {config_provider: json}}', 'json'],
  ['{role: data_plane, role_traditional: {config_provider: embedded}}', 'etcd'],
])('deployment %s reads from %s', (deployment, provider) => {
  expect(load(deployment).configProvider).toBe(provider);
});

test.each([
  ['traditional', 'json', 'json is for the role data_plane'],
  ['control_plane', 'yaml', 'yaml is for the roles traditional and data_plane'],
  ['control_plane', 'xds', 'does not fit the role control_plane'],
  ['data_plane', 'xds', 'xds is not built yet, use etcd, yaml or json'],
  ['data_plane', 'embedded', 'embedded is for the roles traditional and control_plane'],
  ['data_plane', 'consul', 'expected one of etcd, embedded, yaml, json, xds, got text'],
])('a %s cannot read from %s', (role, provider, reason) => {
  const deployment = `{role: ${role}, role_${role}: {config_provider: ${provider}}}`;
  expect(() => load(deployment)).toThrow(`deployment.role_${role}.config_provider: `);
  expect(() => load(deployment)).toThrow(reason);
});

test('a traditional gateway without Admin API reads the standalone file', () => {
  const deployment = '{role_traditional: {config_provider: yaml}}';
  expect(load(deployment, 'apisix: {enable_admin: false}').configProvider).toBe('yaml');
});

test('the standalone file stands beside the configuration file', () => {
  const provider = (name: string) =>
    `{role: data_plane, role_data_plane: {config_provider: ${name}}}`;
  expect(load(provider('yaml')).standaloneFile).toBe(join(folder, 'apisix.yaml'));
  expect(load(provider('json')).standaloneFile).toBe(join(folder, 'apisix.json'));
});

test('a control plane always has the Admin API, a data plane never', () => {
  const disabled = 'apisix: {enable_admin: false}';
  expect(load('{role: control_plane}', disabled).admin.enabled).toBe(true);
  expect(load('{role: data_plane}', 'apisix: {enable_admin: true}').admin.enabled).toBe(false);
  expect(load('{role: traditional}', disabled).admin.enabled).toBe(false);
});

test('the publicly known key of APISIX is taken with a warning that does not repeat it', () => {
  const known = 'edd1c9f034335f136f87ad84b625c8f1';
  const { admin, warnings } = load(`{admin: {admin_key: [{name: root, key: ${known}}]}}`);
  expect(admin.keys).toEqual([{ name: 'root', key: known, role: 'admin' }]);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('"root" IS THE PUBLICLY KNOWN DEFAULT KEY');
  expect(warnings[0]).not.toContain(known);
});

test('an Admin API without key or without address list is warned of', () => {
  const open = load('{admin: {admin_key_required: false, allow_admin: }}');
  expect(open.admin).toMatchObject({ keyRequired: false, allowCidrs: ['0.0.0.0/0', '::/0'] });
  expect(open.warnings).toHaveLength(2);
  const closed = load('{admin: {allow_admin: []}}');
  expect([closed.admin.allowCidrs, closed.warnings]).toEqual([[], []]);
  expect(load('{role: data_plane, admin: {admin_key_required: false}}').warnings).toEqual([]);
});

test('a key that looks like a number has to be quoted, so that no digit is lost', () => {
  expect(() => load('{admin: {admin_key: [{key: 0123}]}}')).toThrow(
    'deployment.admin.admin_key[0].key: expected text, got number',
  );
});
