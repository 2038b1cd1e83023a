import { memorySettings, mountPlugin, validConf } from '@polygate/testing';
import type { MemoryContext } from '@polygate/testing';
import type { LocalReply } from '@polygate/plugin-sdk';
import { expect, test } from 'vitest';
import plugin from './exit-transformer.ts';

const settings = memorySettings({ serverlessJavaScript: true });

async function change(reply: LocalReply, ...functions: string[]): Promise<LocalReply> {
  const conf = validConf(plugin.definition, { functions }, new Map(), settings);
  let changed = reply;
  const mounted = mountPlugin(plugin, conf, { settings });
  const { ctx } = await mounted.request();
  for (const one of (ctx as MemoryContext).replyChanges) changed = one(changed);
  mounted.dispose();
  return changed;
}

test('functions change the answers of the gateway, one after another', async () => {
  const reply = { status: 404, body: { error_msg: 'none' } };
  const first =
    '(status, body, headers) => [status + 1, { ...body, a: 1 }, { ...headers, "X-A": "b" }]';
  const second = '(status, body, headers) => [status, JSON.stringify(body), headers]';
  expect(await change(reply, first, second)).toEqual({
    status: 405,
    body: '{"error_msg":"none","a":1}',
    headers: { 'X-A': 'b' },
  });
});

test.each([
  '() => { throw new Error("x") }',
  '() => 1',
  '() => [9]',
  '() => [200, "", { "a b": "c" }]',
  '() => [200, "", { a: "b\\nc" }]',
])('%s leaves the answer as it was', async (text) => {
  const reply = { status: 404, body: 'no' };
  expect(await change(reply, text)).toEqual(reply);
});

test('Lua is refused, and the way of JavaScript named', () => {
  const functions = ['return (function(code, body, header) return code, body, header end)(...)'];
  expect(() => validConf(plugin.definition, { functions }, new Map(), settings)).toThrow(
    'Polygate does not run Lua: functions are written in JavaScript',
  );
});
