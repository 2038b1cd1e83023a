import { expect, test } from 'vitest';
import { streamPlugins } from './stream-plugins.ts';
import { validateResource } from '../validate-resource.ts';

const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:6379': 1 } };

function faultOf(fields: object): string | undefined {
  try {
    validateResource(
      'stream_routes',
      { upstream, ...fields },
      {
        plugins: streamPlugins(['mqtt-proxy', 'limit-conn', 'key-auth'], new Map()),
        unknownPlugins: 'reject',
        streamProtocols: new Set(['redis', 'pingpong']),
      },
    );
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

test('a stream route has addresses, a port and a name to match', () => {
  const all = { server_addr: '::1', server_port: 9100, remote_addr: '10.0.0.0/8', sni: '*.a.com' };
  expect(faultOf(all)).toBeUndefined();
  expect(faultOf({ server_port: 70_000 })).toMatch(/property "server_port" validation failed/);
  expect(faultOf({ remote_addr: 'a.com' })).toMatch(/property "remote_addr" validation failed/);
  // what the schema takes for IPv6
  expect(faultOf({ remote_addr: ':/8' })).toBe('invalid remote_addr: :/8');
  expect(faultOf({ uri: '/x' })).toMatch(/additional properties forbidden, found uri/);
});

test('its plugins are those for streams', () => {
  const mqtt = (conf: object): object => ({ plugins: { 'mqtt-proxy': conf } });
  expect(faultOf(mqtt({ protocol_level: 4 }))).toBeUndefined();
  expect(faultOf(mqtt({}))).toBe(
    'failed to check the configuration of stream plugin [mqtt-proxy]: ' +
      'property "protocol_level" is required',
  );
  expect(faultOf({ plugins: { 'key-auth': {} } })).toBe('unknown plugin [key-auth]');
});

test('its protocol is one of those that are configured and known', () => {
  const speaking = (protocol: object): string | undefined => faultOf({ protocol });
  expect(speaking({ name: 'redis' })).toBeUndefined();
  const faults = [{ commands: ['get'], delay: 1 }];
  expect(speaking({ name: 'redis', conf: { faults } })).toBeUndefined();
  expect(speaking({ name: 'redis', conf: { faults: 'none' } })).toBe(
    'property "faults" validation failed: wrong type: expected array, got string',
  );
  expect(speaking({ name: 'dubbo' })).toBe('unknown protocol [dubbo]');
  expect(speaking({ name: 'pingpong' })).toBe('unknown protocol [pingpong]');
  expect(speaking({})).toMatch(/property "name" is required/);
});
