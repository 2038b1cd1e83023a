import { expect, test } from 'vitest';
import { GATEWAY_ERRORS, GatewayError } from './errors.ts';
import type { GatewayErrorCode } from './errors.ts';

const codes = Object.keys(GATEWAY_ERRORS) as GatewayErrorCode[];

test.each(codes)(
  'the error %s has a status for the client, and is only retried upstream',
  (code) => {
    const { status, source, retryable } = GATEWAY_ERRORS[code];
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(600);
    if (retryable) expect(source).toBe('upstream');
    if (source === 'client') expect(status).toBeLessThan(500);
  },
);

test('a GatewayError carries code, message and cause', () => {
  const cause = new Error('socket');
  const error = new GatewayError('UPSTREAM_PROTOCOL', 'a:1 hung up', { cause });
  expect(error).toMatchObject({ name: 'GatewayError', code: 'UPSTREAM_PROTOCOL', cause });
  expect(error.info).toEqual({ status: 502, source: 'upstream', retryable: true });
});
