import { expect, test } from 'vitest';
import { decryptFields, encryptFields } from './field-encryption.ts';
import { encryptText } from './text-encryption.ts';

const KEYRING = ['edd1c9f0985e76a2'];
const secret = (text: string) => encryptText(text, KEYRING);

/** Encrypted; and checked to be what it was after decryption. */
function encrypt(fields: string[], conf: Record<string, unknown>) {
  const schema = { type: 'object', encrypt_fields: fields };
  const encrypted = structuredClone(conf);
  encryptFields(schema, encrypted, KEYRING);
  const back = structuredClone(encrypted);
  expect(decryptFields(schema, back, KEYRING)).toEqual([]);
  expect(back).toEqual(conf);
  return encrypted;
}

test('only the named fields are encrypted', () => {
  expect(encrypt(['password', 'missing'], { user: 'a', password: 'b' })).toEqual({
    user: 'a',
    password: secret('b'),
  });
});

test('a dotted path leads through objects and the elements of lists', () => {
  const conf = {
    redis: { auth: { password: 'a', user: 'u' } },
    brokers: [{ sasl: { password: 'b' } }, { host: 'h' }, 'no object'],
  };
  expect(encrypt(['redis.auth.password', 'brokers.sasl.password'], conf)).toEqual({
    redis: { auth: { password: secret('a'), user: 'u' } },
    brokers: [{ sasl: { password: secret('b') } }, { host: 'h' }, 'no object'],
  });
});

test('at the end of a path may stand a list or a map of texts', () => {
  expect(encrypt(['keys', 'headers'], { keys: ['a', 1], headers: { x: 'b', y: [] } })).toEqual({
    keys: [secret('a'), 1],
    headers: { x: secret('b'), y: [] },
  });
});

test('what has another shape than the path stays', () => {
  const conf = { a: 'text', b: null, c: 7, d: true };
  expect(encrypt(['a.b', 'b', 'b.c', 'c', 'c.d', 'd'], conf)).toEqual(conf);
});

test('a schema without encrypt_fields changes nothing', () => {
  const conf = { password: 'a' };
  encryptFields({ type: 'object' }, conf, KEYRING);
  expect(conf).toEqual({ password: 'a' });
});

test('a field stored in clear stays and is named', () => {
  const conf = { key: 'in clear', list: ['also', secret('fine')] };
  expect(decryptFields({ encrypt_fields: ['key', 'list'] }, conf, KEYRING)).toEqual([
    'key',
    'list',
  ]);
  expect(conf).toEqual({ key: 'in clear', list: ['also', 'fine'] });
});
