import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../errors.ts';
import { isCidr, isIpAddress, parseIpBytes } from './ip-address.ts';
import { IpSet } from './ip-set.ts';

const almostAddress = fc
  .array(fc.constantFrom('1', '0', '255', '256', '01', '.', ':', '::', 'f', 'ffff', 'g', ''), {
    maxLength: 16,
  })
  .map((parts) => parts.join(''));

describe('isIpAddress', () => {
  test('agrees with node:net on addresses', () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), almostAddress), (text) => {
        expect(isIpAddress(text)).toBe(isIP(text) !== 0);
      }),
      { numRuns: 3000 },
    );
  });

  test.each(['[::1]', '::ffff:1.2.3.4', '1::', '0.0.0.0'])('takes %s', (text) => {
    expect(isIpAddress(text)).toBe(true);
  });

  test.each(['', '1.2.3', '01.2.3.4', '1.2.3.4.', ' 1.2.3.4', '::1%eth0', '[1.2.3.4]', ':1'])(
    'refuses %j',
    (text) => {
      expect(isIpAddress(text)).toBe(false);
    },
  );
});

test.each([
  ['10.0.0.0/8', true],
  ['::/0', true],
  ['10.0.0.0/33', false],
  ['::1/129', false],
  ['10.0.0.0', false],
  ['10.0.0.0/', false],
  ['10.0.0.0/-1', false],
  ['10.0.0.0/8/8', false],
  ['a/8', false],
])('isCidr of %s is %j', (text, expected) => {
  expect(isCidr(text)).toBe(expected);
});

test('parseIpBytes gives bytes in network order', () => {
  expect(parseIpBytes('10.1.2.255')).toEqual(Uint8Array.of(10, 1, 2, 255));
  expect(parseIpBytes('1:2::ff00:4.3.2.1')).toEqual(
    Uint8Array.of(0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 255, 0, 4, 3, 2, 1),
  );
  expect(parseIpBytes('x')).toBeUndefined();
});

function toNumber(bytes: Uint8Array | undefined): bigint {
  return [...(bytes ?? [])].reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

describe('IpSet', () => {
  const set = new IpSet(['127.0.0.1', '10.0.0.0/8', '10.1.0.0/16', '2001:db8::/32', '[::1]']);

  test.each(['127.0.0.1', '10.0.0.0', '10.255.255.255', '2001:db8:1::', '::1', '::ffff:10.1.2.3'])(
    'has %s',
    (address) => {
      expect(set.has(address)).toBe(true);
    },
  );

  test.each(['127.0.0.2', '9.255.255.255', '11.0.0.0', '2001:db9::', '::2', '', 'x', '10.0.0.0/8'])(
    'has not %j',
    (address) => {
      expect(set.has(address)).toBe(false);
    },
  );

  test('takes mapped addresses and networks for the IPv4 they are', () => {
    const mapped = new IpSet(['::ffff:10.0.0.0/104', '::ffff:192.168.0.1']);
    expect(['10.9.9.9', '192.168.0.1', '::ffff:10.0.0.1'].every((a) => mapped.has(a))).toBe(true);
    expect(mapped.has('11.0.0.1')).toBe(false);
    expect(new IpSet(['::/0']).has('::ffff:1.2.3.4')).toBe(true);
    expect(new IpSet(['::/0']).has('1.2.3.4')).toBe(false);
  });

  test('has everything of a family with a prefix of 0, and nothing when empty', () => {
    expect(new IpSet(['0.0.0.0/0']).has('255.255.255.255')).toBe(true);
    expect(new IpSet([]).has('127.0.0.1')).toBe(false);
  });

  test.each([
    ['10.0.0.256', '10.0.0.256'],
    ['foo/8', 'foo'],
    ['::1/129', '::1/129'],
    ['10.0.0.1/x', '10.0.0.1/x'],
  ])('refuses %s', (entry, named) => {
    expect(() => new IpSet([entry])).toThrow(new ConfigError(`invalid ip address: ${named}`));
  });

  test('has an address if and only if one of its networks does', () => {
    // few distinct bits, so that networks meet
    const ipv4 = fc
      .tuple(fc.constantFrom(0, 128, 255), fc.nat(3))
      .map(([a, b]) => `10.0.${a}.${b}`);
    const ipv6 = fc.tuple(fc.nat(3), fc.nat(3)).map(([a, b]) => `2001:${a}::${b}`);
    const network = fc.oneof(
      fc.tuple(ipv4, fc.integer({ min: 8, max: 32 })),
      fc.tuple(ipv6, fc.integer({ min: 8, max: 128 })),
    );
    const inNetwork = (address: string, [base, prefix]: [string, number]): boolean => {
      const [bytes, baseBytes] = [parseIpBytes(address), parseIpBytes(base)];
      if (bytes?.length !== baseBytes?.length) return false;
      const shift = BigInt((bytes?.length ?? 0) * 8 - prefix);
      return toNumber(bytes) >> shift === toNumber(baseBytes) >> shift;
    };
    fc.assert(
      fc.property(fc.array(network), fc.oneof(ipv4, ipv6), (networks, address) => {
        const networkSet = new IpSet(networks.map(([base, prefix]) => `${base}/${prefix}`));
        expect(networkSet.has(address)).toBe(networks.some((one) => inNetwork(address, one)));
      }),
      { numRuns: 2000 },
    );
  });
});
