import { expect, test } from 'vitest';
import {
  decryptPrivateKey,
  decryptText,
  encryptPrivateKey,
  encryptText,
} from './text-encryption.ts';

const KEY_128 = 'edd1c9f0985e76a2';
const KEY_256 = 'qeddd145sfvddff3qeddd145sfvddff3';

// As APISIX writes them with that key into etcd: t/node/data_encrypt.t and data_encrypt2.t.
test.each([
  ['bar', '77+NmbYqNfN+oLm0aX5akg=='],
  ['auth-two', 'vU/ZHVJw7b0XscDJ1Fhtig=='],
  ['abc123', '7ipXoKyiZZUAgf3WWNPI5A=='],
  ['test', '9QKrmTT3TkWGvjlIoe5XXw=='],
])('%s is encrypted and decrypted as APISIX does it', (clear, encrypted) => {
  expect(encryptText(clear, [KEY_128])).toBe(encrypted);
  expect(decryptText(encrypted, [KEY_128])).toBe(clear);
});

test.each([KEY_128, KEY_256])('any text survives, with the key %s', (key) => {
  for (const text of ['', 'a', 'exactly 16 bytes', 'grüße 🦊', 'x'.repeat(10_000)]) {
    expect(decryptText(encryptText(text, [key]), [key])).toBe(text);
  }
});

test('a new key in front encrypts, and what the old key encrypted stays readable', () => {
  const old = encryptText('hello', [KEY_128]);
  const rotated = [KEY_256, KEY_128];
  expect(encryptText('hello', rotated)).toBe(encryptText('hello', [KEY_256]));
  expect(decryptText(old, rotated)).toBe('hello');
  expect(decryptText(encryptText('hello', rotated), rotated)).toBe('hello');
});

test('a text that no key fits is not decrypted', () => {
  const encrypted = encryptText('a text of two blocks or so', [KEY_128]);
  for (const text of ['bar', '', 'auth one', '====', `${encrypted}AAAA`, encrypted.slice(4)]) {
    expect(decryptText(text, [KEY_128])).toBeUndefined();
  }
});

test('a wrong key gives nothing, not even where the padding looks right by chance', () => {
  for (let i = 0; i < 2000; i++) {
    const encrypted = encryptText(`secret number ${i}, in two blocks`, [KEY_256]);
    expect(decryptText(encrypted, [KEY_128])).toBeUndefined();
  }
});

test('without a key texts stay as they are', () => {
  expect(encryptText('bar', [])).toBe('bar');
  expect(decryptText('bar', [])).toBe('bar');
});

test('a private key is encrypted once, and readable in clear and encrypted', () => {
  const pem = '-----BEGIN PRIVATE KEY-----\nMII\n-----END PRIVATE KEY-----\n';
  const encrypted = encryptPrivateKey(pem, [KEY_128]);
  expect(encrypted).not.toContain('PRIVATE');
  expect(encryptPrivateKey(encrypted, [KEY_128])).toBe(encrypted);
  expect(encryptPrivateKey('$secret://vault/1/ssl/key', [KEY_128])).toBe(
    '$secret://vault/1/ssl/key',
  );
  expect(decryptPrivateKey(encrypted, [KEY_128])).toBe(pem);
  expect(decryptPrivateKey(pem, [KEY_128])).toBe(pem);
  expect(decryptPrivateKey(encrypted, [KEY_256])).toBeUndefined();
});
