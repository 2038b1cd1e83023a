import { describe, expect, test } from 'vitest';
import { berElement, berInteger, readBerElement, readBerElements, readBerInteger } from './ber.ts';
import { escapeDnValue } from './distinguished-name.ts';
import { parseLdapAddress } from './ldap-address.ts';
import { searchRequest } from './ldap-messages.ts';

describe('BER', () => {
  test.each([0, 1, 127, 128, 255, 256, 0x7fff_ffff])('keeps the number %d', (value) => {
    const element = readBerElement(berInteger(value), 0, 100)!;
    expect(readBerInteger(element)).toBe(value);
  });

  test.each([0, 127, 128, 255, 256, 70_000])(
    'keeps %d bytes, and waits for all of them',
    (size) => {
      const bytes = berElement(0x04, Buffer.alloc(size, 7));
      expect(readBerElement(bytes, 0, 100_000)?.contents.length).toBe(size);
      expect(readBerElement(bytes.subarray(0, -1), 0, 100_000)).toBeUndefined();
    },
  );

  test('refuses lengths past the limit, indefinite ones and what is cut off', () => {
    expect(() => readBerElement(berElement(4, Buffer.alloc(9)), 0, 8)).toThrow(RangeError);
    expect(() => readBerElement(Buffer.from([0x30, 0x80]), 0, 8)).toThrow(RangeError);
    expect(() => readBerElement(Buffer.from([0x30, 0xff]), 0, 8)).toThrow(RangeError);
    expect(() => readBerElements(Buffer.from([4, 2, 0]))).toThrow(RangeError);
    expect(() => readBerInteger({ tag: 2, contents: Buffer.alloc(0), end: 2 })).toThrow(RangeError);
  });
});

test('a search has the largest limits of the protocol for those that are larger', () => {
  const search = { baseDn: 'dc=test', attribute: 'cn', value: '*)(a=b' };
  const bytes = searchRequest({ ...search, entriesMax: 2 ** 32, timeLimitSeconds: 2 ** 40 });
  const request = readBerElement(bytes, 0, 1000)!;
  const [, , , entries, seconds, , filter] = readBerElements(request.contents);
  expect([readBerInteger(entries!), readBerInteger(seconds!)]).toEqual([0x7fffffff, 0x7fffffff]);
  const [attribute, value] = readBerElements(filter!.contents);
  expect([attribute, value].map((part) => part?.contents.toString())).toEqual(['cn', '*)(a=b']);
});

describe('a value of a distinguished name', () => {
  test.each([
    ['user01', 'user01'],
    ['a,b+c"d\\e<f>g;h=i', 'a\\,b\\+c\\"d\\\\e\\<f\\>g\\;h\\=i'],
    [' a ', '\\ a\\ '],
    ['#a', '\\#a'],
    [' ', '\\ '],
    ['a\0b', 'a\\00b'],
    ['', ''],
  ])('of %j is %j', (value, escaped) => {
    expect(escapeDnValue(value)).toBe(escaped);
  });
});

describe('the address of a directory', () => {
  test.each([
    ['127.0.0.1:1389', { host: '127.0.0.1', port: 1389 }],
    ['ldap.test', { host: 'ldap.test', port: undefined }],
    ['[::1]:389', { host: '::1', port: 389 }],
    ['[::1]', { host: '::1', port: undefined }],
    ['::1', { host: '::1', port: undefined }],
    ['ldap://127.0.0.1:389', undefined],
    ['host:0', undefined],
    ['host:65536', undefined],
    ['', undefined],
  ])('%s is %j', (text, address) => {
    expect(parseLdapAddress(text)).toEqual(address);
  });
});
