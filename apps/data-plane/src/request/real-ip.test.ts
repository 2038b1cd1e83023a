import { HeaderList } from '@polygate/plugin-sdk';
import { expect, test } from 'vitest';
import { createFindClient } from './real-ip.ts';

const peer = { address: '127.0.0.1', port: 5 };
const headers = (...raw: string[]): HeaderList => HeaderList.fromRaw(raw);
const byDefault = createFindClient({
  header: 'X-Real-IP',
  recursive: false,
  from: ['127.0.0.1', 'unix:'],
});

test.each([
  ['10.1.2.3', '10.1.2.3', 0],
  ['10.1.2.3:77', '10.1.2.3', 77],
  ['2001:db8::1', '2001:db8::1', 0],
  ['[2001:db8::1]:77', '2001:db8::1', 77],
])('a trusted proxy may name the client as %s', (text, address, port) => {
  expect(byDefault(peer, headers('X-Real-IP', text))).toEqual({ address, port });
});

test.each(['', 'me', '1.2.3', '1.2.3.4, 5.6.7.8', '[::1', '1.2.3.4:x'])(
  'the peer stays where %j is named',
  (text) => expect(byDefault(peer, headers('X-Real-IP', text))).toBe(peer),
);

test('nobody else may name a client', () => {
  const stranger = { address: '10.9.9.9', port: 5 };
  expect(byDefault(stranger, headers('X-Real-IP', '10.1.2.3'))).toBe(stranger);
});

test('X-Forwarded-For is read from its end, past trusted proxies only when asked to', () => {
  const list = headers('X-Forwarded-For', '6.6.6.6, 1.1.1.1', 'x-forwarded-for', '10.0.0.2');
  const from = ['127.0.0.1', '10.0.0.0/8'];
  const last = createFindClient({ header: 'X-Forwarded-For', recursive: false, from });
  const walked = createFindClient({ header: 'X-Forwarded-For', recursive: true, from });
  expect(last(peer, list).address).toBe('10.0.0.2');
  expect(walked(peer, list).address).toBe('1.1.1.1');
});
