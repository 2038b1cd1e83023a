import { Metadata, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { RPC_STATUS, RpcError } from './errors.ts';

test('the table has every status of grpc-js under its name', () => {
  const names = Object.keys(status).filter((name) => Number.isNaN(Number(name)));
  expect(Object.keys(RPC_STATUS).sort()).toEqual(names.sort());
  for (const [name, { code }] of Object.entries(RPC_STATUS)) {
    expect(code).toBe(status[name as keyof typeof status]);
  }
});

test('RpcError takes status and details over from grpc-js', () => {
  const cause = Object.assign(new Error('14 UNAVAILABLE: gone'), {
    code: 14,
    details: 'gone',
    metadata: new Metadata(),
  });
  const error = RpcError.from(cause);
  expect(error).toMatchObject({ status: 'UNAVAILABLE', message: 'gone', retryable: true, cause });
  expect(RpcError.from(error)).toBe(error);
});

test('RpcError calls UNKNOWN what carries no status', () => {
  expect(RpcError.from(new Error('x'))).toMatchObject({ status: 'UNKNOWN', retryable: false });
  expect(RpcError.from('x').status).toBe('UNKNOWN');
  expect(RpcError.from(Object.assign(new Error('x'), { code: 'ENOENT' })).status).toBe('UNKNOWN');
});
