import { expect, test } from 'vitest';
import { decryptPluginConfs, decryptResource, encryptResource } from './resource-encryption.ts';
import { encryptText } from './text-encryption.ts';

const keyring = ['edd1c9f0985e76a2'];
const secret = (text: string) => encryptText(text, keyring);
const PEM = '-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n';
const plugins = new Map(
  [
    {
      name: 'auth',
      schema: { encrypt_fields: ['route_field'] },
      consumerSchema: { encrypt_fields: ['key'] },
      metadataSchema: { encrypt_fields: ['token'] },
    },
    { name: 'logger', schema: { encrypt_fields: ['password'] } },
  ].map((plugin) => [plugin.name, plugin]),
);
const on = { plugins, encryption: { enabled: true, keyring } };
const off = { plugins, encryption: { enabled: false, keyring } };

test.each(['routes', 'services', 'plugin_configs', 'consumer_groups', 'global_rules'])(
  'plugin confs in %s are encrypted by the schema of the plugin',
  (kind) => {
    const value = { plugins: { auth: { route_field: 'a', key: 'b' }, other: { password: 'c' } } };
    const encrypted = encryptResource(kind, value, on);
    expect(encrypted.plugins).toEqual({
      auth: { route_field: secret('a'), key: 'b' },
      other: { password: 'c' },
    });
    expect(value.plugins.auth.route_field).toBe('a');
    expect(decryptResource(kind, encrypted, on)).toEqual({ value, failed: [] });
  },
);

test.each(['consumers', 'credentials'])(
  'in %s the schema for consumers counts, or the only one there is',
  (kind) => {
    const value = { plugins: { auth: { route_field: 'a', key: 'b' }, logger: { password: 'c' } } };
    expect(encryptResource(kind, value, on).plugins).toEqual({
      auth: { route_field: 'a', key: secret('b') },
      logger: { password: secret('c') },
    });
  },
);

test('plugin metadata are encrypted by the metadata schema of the plugin they belong to', () => {
  const named = encryptResource('plugin_metadata', { token: 'a' }, { ...on, name: 'auth' });
  expect(named).toEqual({ token: secret('a') });
  const stored = { id: 'auth', token: secret('a') };
  expect(decryptResource('plugin_metadata', stored, on).value).toEqual({ id: 'auth', token: 'a' });
  expect(encryptResource('plugin_metadata', { token: 'a' }, { ...on, name: 'logger' })).toEqual({
    token: 'a',
  });
});

test.each([
  ['upstreams', { tls: { client_key: PEM } }],
  ['services', { upstream: { tls: { client_key: PEM } } }],
  ['routes', { upstream: { tls: { client_key: PEM } } }],
  ['ssls', { key: PEM, keys: [PEM] }],
])('private keys in %s are encrypted, whatever the plugins do', (kind, value) => {
  const encrypted = encryptResource<unknown>(kind, value, off);
  expect(JSON.stringify(encrypted)).not.toContain('PRIVATE');
  expect(encryptResource(kind, encrypted, on)).toEqual(encrypted);
  expect(decryptResource(kind, encrypted, off)).toEqual({ value, failed: [] });
});

test('private keys stay encrypted where only plugin confs are asked for', () => {
  const stored = { tls: { client_key: secret(PEM) } };
  expect(decryptPluginConfs('upstreams', stored, on).value).toEqual(stored);
});

test('switched off, plugin confs are stored and read as they are', () => {
  const value = { plugins: { logger: { password: secret('a') } } };
  expect(encryptResource('routes', value, off)).toEqual(value);
  expect(decryptResource('routes', value, off).value).toBe(value);
});

test('fields that no key fits are named with their plugin', () => {
  const value = { plugins: { auth: { key: 'in clear' } } };
  expect(decryptResource('consumers', value, on)).toEqual({ value, failed: ['auth.key'] });
});

test.each([null, 'text', [], { plugins: 'text' }, { plugins: { auth: 7 } }, { upstream: [] }])(
  'a value of no such shape passes: %j',
  (value) => {
    expect(encryptResource<unknown>('routes', value, on)).toEqual(value);
    expect(decryptResource('routes', value, on).value).toEqual(value);
  },
);
