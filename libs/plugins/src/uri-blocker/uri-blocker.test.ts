import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './uri-blocker.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

describe('uri-blocker', () => {
  test.each(['/hello?aa=1', '/hello?bb=2', '/select/x'])('refuses %s', async (target) => {
    const blocking = conf({ block_rules: ['aa=', 'bb=\\d', '^/select/'] });
    const run = await runPlugin(plugin, blocking, { target });
    expect(run.reply).toEqual({ status: 403 });
    expect(run.upstreamRequest).toBeUndefined();
  });

  test('lets what matches no rule through, and minds upper and lower case', async () => {
    const blocking = conf({ block_rules: ['select.+(from|limit)'] });
    expect((await runPlugin(plugin, blocking, { target: '/?SELECT/FROM' })).status).toBe(200);
  });

  test('refuses everything when there are no rules, as APISIX does', async () => {
    expect((await runPlugin(plugin, conf({ block_rules: [] }))).status).toBe(403);
  });

  test('does not mind upper and lower case when told so', async () => {
    const blocking = conf({ block_rules: ['x', 'select.+from'], case_insensitive: true });
    expect((await runPlugin(plugin, blocking, { target: '/?SELECT/From' })).status).toBe(403);
  });

  test('answers with the code and message of the conf', async () => {
    const blocking = conf({ block_rules: ['aa'], rejected_code: 401, rejected_msg: 'no access' });
    const run = await runPlugin(plugin, blocking, { target: '/aa' });
    expect(run.status).toBe(401);
    expect(run.text).toBe('{"error_msg":"no access"}\n');
  });

  test.each([
    [{}, 'property "block_rules" is required'],
    [{ block_rules: [''] }, 'string too short, expected at least 1, got 0'],
    [{ block_rules: ['a', 'a'] }, 'expected unique items but items 1 and 2 are equal'],
    [{ block_rules: ['.+('] }, 'pcre_compile() failed: missing )'],
    [{ block_rules: ['a'], rejected_code: 100 }, 'expected 100 to be at least 200'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
