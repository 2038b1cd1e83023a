import { expect, test } from 'vitest';
import { transportRisks } from './transport-risks.ts';

const checked = { name: 'p', httpsFields: ['uris', 'to.uri'], tlsFields: ['ssl_verify', 'tls.on'] };

test('addresses without TLS and verification that is off are risks, each by its field', () => {
  const conf = {
    uris: ['http://a', 'https://b', 'c:80'],
    to: { uri: 'http://d' },
    ssl_verify: false,
    tls: { on: false },
  };
  expect(transportRisks(checked, conf)).toEqual([
    'Using p uris with no TLS is a security risk',
    'Using p uris with no TLS is a security risk',
    'Using p to.uri with no TLS is a security risk',
    'Keeping ssl_verify disabled in p configuration is a security risk',
    'Keeping tls.on disabled in p configuration is a security risk',
  ]);
});

test('what is not there is none', () => {
  expect(transportRisks(checked, { uris: ['https://a'], ssl_verify: true })).toEqual([]);
  expect(transportRisks(checked, {})).toEqual([]);
  expect(transportRisks({ name: 'p' }, { uri: 'http://a' })).toEqual([]);
});
