import { expect, test } from 'vitest';
import { runnerEnvironment } from './runner-environment.ts';

test('only PATH, the listed names and the two of the protocol reach a runner', () => {
  const own = { PATH: '/bin', HOME: '/root', SECRET: 's', LISTED: 'l', SET: 'theirs' };
  expect(
    runnerEnvironment(['LISTED', 'SET=ours', 'EMPTY=', 'MISSING', ''], '/r.sock', own),
  ).toEqual({
    PATH: '/bin',
    LISTED: 'l',
    SET: 'ours',
    EMPTY: '',
    APISIX_LISTEN_ADDRESS: 'unix:/r.sock',
    APISIX_CONF_EXPIRE_TIME: '3600',
  });
});

test('nobody sets where the runner listens but us', () => {
  const envs = ['APISIX_LISTEN_ADDRESS=unix:/elsewhere', 'PATH=/opt/bin'];
  expect(runnerEnvironment(envs, '/r.sock', { PATH: '/bin' })).toMatchObject({
    APISIX_LISTEN_ADDRESS: 'unix:/r.sock',
    PATH: '/opt/bin',
  });
});
