import { runPlugin, validConf } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './log-rotate.ts';

test('takes any object for a conf, leaves requests alone, and is off unless it is named', async () => {
  const run = await runPlugin(plugin, validConf(plugin.definition, {}));
  expect([run.status, run.text]).toEqual([200, 'hello world\n']);
  expect(plugin.definition).toMatchObject({ enabledByDefault: false, scope: 'global' });
});
