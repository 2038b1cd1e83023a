import { memorySettings, runPlugin, validConf } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './serverless-post-function.ts';

test('serverless-post-function runs last, as the other one does first', async () => {
  const settings = memorySettings({ serverlessJavaScript: true });
  expect(plugin.definition.priority).toBe(-2000);
  const raw = { functions: ['(conf, ctx) => ctx.exit(409, conf.phase)'] };
  const conf = validConf(plugin.definition, raw, new Map(), settings);
  const { reply } = await runPlugin(plugin, conf, {}, { settings });
  expect(reply).toMatchObject({ status: 409, body: 'access' });
});
