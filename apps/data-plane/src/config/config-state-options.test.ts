import { encryptText } from '@polygate/model';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { memoryLog } from '@polygate/testing';
import { expect, test } from 'vitest';
import { ConfigState, type ConfigStateOptions } from './config-state.ts';

const keyring = ['edd1c9f0985e76a2'];
const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };

function read(key: string, value: unknown, options: ConfigStateOptions) {
  const log = memoryLog();
  const state = new ConfigState(PLUGIN_DEFINITIONS, log, options);
  const items = [{ key, value, createdIndex: 1, modifiedIndex: 1 }];
  const { puts } = state.apply({ kind: 'resync', revision: 1, items });
  return { value: puts[0]?.value, rejected: state.rejected, log };
}

const consumer = (key: string) => ({ username: 'jack', plugins: { 'key-auth': { key } } });

test('what is stored encrypted is served in clear', () => {
  const stored = consumer(encryptText('auth-one', keyring));
  const on = { encryption: { enabled: true, keyring } };
  expect(read('/consumers/jack', stored, on).value).toMatchObject(consumer('auth-one'));
});

test('what is stored in clear is served as it is, with a line in the log', () => {
  const on = { encryption: { enabled: true, keyring } };
  const { value, log } = read('/consumers/jack', consumer('auth-one'), on);
  expect(value).toMatchObject(consumer('auth-one'));
  expect(log.lines).toEqual([
    'info: no key of the keyring decrypts key-auth.key of /consumers/jack',
  ]);
});

test('a reference may stand encrypted', () => {
  const stored = consumer(encryptText('$env://KEY', keyring));
  const resolve = (reference: string) => ({ value: `the value of ${reference}` });
  const options = { encryption: { enabled: true, keyring }, resolve };
  expect(read('/consumers/jack', stored, options).value).toMatchObject(
    consumer('the value of $env://KEY'),
  );
});

test('an auth conf that cannot be resolved is taken away, the consumer stays', () => {
  const resolve = () => ({ reason: 'gone' });
  const { value, log } = read('/consumers/jack', consumer('$env://KEY'), { resolve });
  expect(value).toEqual({ username: 'jack', plugins: {} });
  expect(log.lines.join()).toContain('skipping consumer: jack, plugin: key-auth');
});

test('an unknown plugin is left out or, where that is asked for, rejects its object', () => {
  const route = { uri: '/a', upstream, plugins: { 'no-such': {} } };
  expect(read('/routes/1', route, {}).value).toMatchObject({ uri: '/a' });
  const { value, rejected } = read('/routes/1', route, { unknownPlugins: 'reject' });
  expect(value).toBeUndefined();
  expect(rejected).toMatchObject([{ key: '/routes/1', reason: 'unknown plugin [no-such]' }]);
  const metadata = { log_format: {} };
  const kept = read('/plugin_metadata/no-such', metadata, { unknownPlugins: 'reject' });
  expect(kept.rejected).toEqual([]);
});
