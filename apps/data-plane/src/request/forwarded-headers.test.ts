import { HeaderList } from '@polygate/plugin-sdk';
import { expect, test } from 'vitest';
import { sanitizeForwardedHeaders } from './forwarded-headers.ts';
import type { GatewayContext } from './gateway-context.ts';

const TRUSTED = { has: (address: string): boolean => address === '10.0.0.1' };

/** What the node would see, by lower-case name, and what is kept of the client's own. */
function sanitized(
  raw: readonly string[],
  { from = '10.0.0.9', trusted }: { from?: string; trusted?: typeof TRUSTED } = {},
): { headers: Record<string, string>; original: GatewayContext['originalForwarded'] } {
  const headers = HeaderList.fromRaw(raw);
  const ctx = {
    request: { headers, scheme: 'http', host: headers.has('host') ? 'a.test' : '' },
    exchange: { client: { address: from } },
    server: { address: '127.0.0.1', port: 9080 },
    originalForwarded: undefined,
  } as unknown as GatewayContext;
  sanitizeForwardedHeaders(ctx, trusted);
  const seen: Record<string, string> = {};
  headers.forEach((_, value, lower) => {
    seen[lower] = lower in seen ? `${seen[lower]}; ${value}` : value;
  });
  return { headers: seen, original: ctx.originalForwarded };
}

const observed = {
  'x-forwarded-proto': 'http',
  'x-forwarded-host': 'a.test',
  'x-forwarded-port': '9080',
};
const CLAIMS = [
  ...['Host', 'a.test', 'X-Forwarded-Proto', 'https', 'x-forwarded-proto', 'wss'],
  ...['X-Forwarded-Host', 'evil.test', 'X-Forwarded-Port', '1', 'Forwarded', 'for=1.1.1.1'],
  ...['X-Forwarded-For', '2.2.2.2'],
];

test('a client that says nothing of itself gets what the gateway saw', () => {
  const { headers, original } = sanitized(['Host', 'a.test']);
  expect(headers).toEqual({ host: 'a.test', ...observed });
  expect(original).toBeUndefined();
});

test('a client of HTTP/1.0 that names no host came for `_`, as in nginx', () => {
  expect(sanitized([]).headers['x-forwarded-host']).toBe('_');
});

test('the port is that of the Host header, where it has one', () => {
  const portFor = (host: string): string | undefined =>
    sanitized(['Host', host]).headers['x-forwarded-port'];
  expect(portFor('A.test:8443')).toBe('8443');
  expect(portFor('[::1]:81')).toBe('81');
  expect(portFor('[::1]')).toBe('9080');
  expect(portFor('a.test:')).toBe('9080');
  expect(portFor('a.test:x1')).toBe('9080');
  expect(sanitized([]).headers['x-forwarded-port']).toBe('9080');
});

test('claims are replaced and kept aside, X-Forwarded-For stays', () => {
  const { headers, original } = sanitized(CLAIMS);
  expect(headers).toEqual({ host: 'a.test', ...observed, 'x-forwarded-for': '2.2.2.2' });
  expect(original).toEqual({
    for: '2.2.2.2',
    proto: 'https, wss',
    host: 'evil.test',
    port: '1',
    all: 'for=1.1.1.1',
  });
});

test('a stranger among trusted peers loses X-Forwarded-For, too', () => {
  const { headers, original } = sanitized(CLAIMS, { trusted: TRUSTED });
  expect(headers).toEqual({ host: 'a.test', ...observed });
  expect(original?.for).toBe('2.2.2.2');
});

test('what a trusted peer says stays, and what it does not say is added', () => {
  const trusted = { from: '10.0.0.1', trusted: TRUSTED };
  expect(sanitized(CLAIMS, trusted).headers).toEqual({
    host: 'a.test',
    'x-forwarded-proto': 'https; wss',
    'x-forwarded-host': 'evil.test',
    'x-forwarded-port': '1',
    forwarded: 'for=1.1.1.1',
    'x-forwarded-for': '2.2.2.2',
  });
  const some = ['Host', 'a.test:8443', 'X-Forwarded-Proto', '', 'X-Forwarded-For', '2.2.2.2'];
  expect(sanitized(some, trusted).headers).toEqual({
    host: 'a.test:8443',
    'x-forwarded-proto': 'http',
    'x-forwarded-host': 'a.test:8443',
    'x-forwarded-port': '8443',
    'x-forwarded-for': '2.2.2.2',
  });
});
