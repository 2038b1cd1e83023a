import { expect, test } from 'vitest';
import type { AdminContext } from './admin-state.ts';
import { allowAddresses } from './allow-addresses.ts';

/** Only the peer's address counts, so a context with nothing else is enough. */
async function isAllowed(blocks: readonly string[], remoteAddress: string | undefined) {
  let passed = false;
  const nothing = { get: () => '', set: () => undefined };
  const ctx = { req: { socket: { remoteAddress } }, state: {}, ...nothing };
  await allowAddresses(blocks)(ctx as unknown as AdminContext, () => {
    passed = true;
    return Promise.resolve();
  });
  return passed;
}

test('only addresses inside a block pass', async () => {
  expect(await isAllowed(['127.0.0.0/24'], '127.0.0.9')).toBe(true);
  expect(await isAllowed(['127.0.0.0/24'], '127.0.1.1')).toBe(false);
  expect(await isAllowed(['10.0.0.7', '2001:db8::/32'], '10.0.0.7')).toBe(true);
  expect(await isAllowed(['10.0.0.7', '2001:db8::/32'], '2001:db8::1')).toBe(true);
  expect(await isAllowed(['10.0.0.7', '2001:db8::/32'], '2001:db9::1')).toBe(false);
  expect(await isAllowed(['0.0.0.0/0', '::/0'], '203.0.113.9')).toBe(true);
});

test('an IPv4 peer of a socket that listens on both families is judged as IPv4', async () => {
  expect(await isAllowed(['127.0.0.0/24'], '::ffff:127.0.0.1')).toBe(true);
  expect(await isAllowed(['127.0.0.0/24'], '::ffff:10.0.0.1')).toBe(false);
});

test('no blocks, or no address, let nobody in', async () => {
  expect(await isAllowed([], '127.0.0.1')).toBe(false);
  expect(await isAllowed(['0.0.0.0/0', '::/0'], undefined)).toBe(false);
});

test('what is no block stops the start', () => {
  for (const block of ['', 'localhost', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '::/129']) {
    expect(() => allowAddresses([block])).toThrow('allow_admin');
  }
});
