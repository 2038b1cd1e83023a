import { runPlugin, validConf } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './server-info.ts';

test('takes any object for a conf, and leaves requests alone', async () => {
  const conf = validConf(plugin.definition, {});
  const run = await runPlugin(plugin, conf);
  expect([run.status, run.text]).toEqual([200, 'hello world\n']);
  expect(() => validConf(plugin.definition, [1])).toThrow('wrong type');
});

test('is off where the configuration file does not name it, as in APISIX', () => {
  expect(plugin.definition).toMatchObject({ enabledByDefault: false, scope: 'global' });
});
