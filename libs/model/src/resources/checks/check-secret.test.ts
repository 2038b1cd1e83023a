import { expect, test } from 'vitest';
import { validateResource } from '../validate-resource.ts';

const options = { plugins: new Map(), unknownPlugins: 'reject' } as const;
const vault = { uri: 'http://127.0.0.1:8200', prefix: 'kv/apisix', token: 'root' };
const gcp = { client_email: 'a@b.c', private_key: 'k', project_id: 'p' };

test('a secret is checked by the schema of the manager in its id', () => {
  const check = (secretId: string | undefined, value: object): unknown =>
    validateResource('secrets', value, { ...options, ...(secretId && { secretId }) }).value;
  expect(check('vault/1', vault)).toEqual(vault);
  expect(check(undefined, { ...vault, id: 'vault/1' })).toEqual({ ...vault, id: 'vault/1' });
  expect(() => check('vault/1', { ...vault, uri: '/get' })).toThrow(
    'invalid configuration: property "uri" validation failed: failed to match pattern',
  );
  expect(() => check('aws/1', vault)).toThrow('property "access_key_id" is required');
  expect(() => check('nothing/1', vault)).toThrow('invalid secret manager: nothing');
  expect(() => check('constructor/1', vault)).toThrow('invalid secret manager: constructor');
  expect(() => check(undefined, vault)).toThrow('missing secret type');
});

test('defaults of a manager are filled in', () => {
  const aws = { access_key_id: 'a', secret_access_key: 'b' };
  const check = (secretId: string, value: object): unknown =>
    validateResource('secrets', value, { ...options, secretId }).value;
  expect(check('aws/1', aws)).toMatchObject({ region: 'us-east-1' });
  expect(check('gcp/1', { auth_config: gcp })).toMatchObject({
    ssl_verify: true,
    auth_config: { token_uri: 'https://oauth2.googleapis.com/token' },
  });
  expect(() => check('gcp/1', { auth_config: gcp, auth_file: '/f' })).toThrow(
    'value should match only one schema, but matches both schemas 1 and 2',
  );
});
