import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './ua-restriction.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

async function status(raw: object, agent?: string | readonly string[]): Promise<number> {
  const request = agent === undefined ? {} : { headers: { 'User-Agent': agent } };
  return (await runPlugin(plugin, conf(raw), request)).status;
}

describe('ua-restriction', () => {
  const denylist = ['my-bot2', '(Baiduspider)/(\\d+)\\.(\\d+)'];
  const allowlist = ['my-bot1', '^Mozilla'];

  test.each(['my-bot2', ' my-bot2\t', 'Baiduspider/3.0'])(
    'refuses %j by denylist',
    async (agent) => {
      expect(await status({ denylist }, agent)).toBe(403);
    },
  );

  test('lets pass whom the denylist does not name', async () => {
    expect(await status({ denylist }, 'foo/bar')).toBe(200);
    expect(await status({ denylist }, ['foo', 'bar'])).toBe(200);
  });

  test('refuses when one of several agents is denied', async () => {
    expect(await status({ denylist }, ['my-bot2', 'foo'])).toBe(403);
    expect(await status({ denylist }, ['foo', 'my-bot2'])).toBe(403);
    expect(await status({ denylist }, ['my-bot2', 'my-bot2'])).toBe(403);
  });

  test('lets pass whom the allowlist names, once among several as well', async () => {
    expect(await status({ allowlist }, 'my-bot1')).toBe(200);
    expect(await status({ allowlist }, ['foo', 'my-bot1'])).toBe(200);
    expect(await status({ allowlist }, '  Mozilla/5.0')).toBe(200);
    expect(await status({ allowlist }, 'foo/bar')).toBe(403);
  });

  test('lets nobody pass who says nothing, unless told to', async () => {
    expect(await status({ allowlist })).toBe(403);
    expect(await status({ denylist })).toBe(403);
    expect(await status({ denylist, bypass_missing: true })).toBe(200);
  });

  test('answers with its message', async () => {
    expect((await runPlugin(plugin, conf({ denylist }))).text).toBe('{"message":"Not allowed"}\n');
    const run = await runPlugin(plugin, conf({ denylist, message: 'no' }));
    expect(run.text).toBe('{"message":"no"}\n');
  });

  test.each([
    [{}, 'value should match only one schema, but matches none'],
    [{ allowlist, denylist }, 'but matches both schemas 1 and 2'],
    [{ allowlist: [] }, 'expect array to have at least 1 items'],
    [{ allowlist: ['(foo'] }, 'pcre_compile() failed: missing )'],
    [{ denylist, message: '' }, 'string too short, expected at least 1, got 0'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
