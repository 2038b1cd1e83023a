import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './referer-restriction.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

async function status(raw: object, referer?: string): Promise<number> {
  const request = referer === undefined ? {} : { headers: { Referer: referer } };
  return (await runPlugin(plugin, conf(raw), request)).status;
}

describe('referer-restriction', () => {
  const hosts = ['*.xx.com', 'yy.com'];

  test.each([
    'http://yy.com/hello',
    'https://yy.com:8080?a',
    '//yy.com',
    'http://www.xx.com',
    'http://a.b.xx.com/',
  ])('lets %s pass by whitelist, and not by blacklist', async (referer) => {
    expect(await status({ whitelist: hosts }, referer)).toBe(200);
    expect(await status({ blacklist: hosts }, referer)).toBe(403);
  });

  test.each(['http://www.yy.com', 'http://xx.com', 'http://yy.com.evil.org', 'http://[::1]/'])(
    'does not let %s pass by whitelist, but by blacklist',
    async (referer) => {
      expect(await status({ whitelist: hosts }, referer)).toBe(403);
      expect(await status({ blacklist: hosts }, referer)).toBe(200);
    },
  );

  test.each([undefined, 'www.yy.com', 'ftp://yy.com'])('takes %j for none', async (referer) => {
    expect(await status({ whitelist: hosts }, referer)).toBe(403);
    expect(await status({ blacklist: hosts }, referer)).toBe(403);
    expect(await status({ whitelist: hosts, bypass_missing: true }, referer)).toBe(200);
  });

  test('answers with its message', async () => {
    const run = await runPlugin(plugin, conf({ whitelist: hosts }));
    expect(run.text).toBe('{"message":"Your referer host is not allowed"}\n');
    const other = await runPlugin(plugin, conf({ whitelist: hosts, message: 'no' }));
    expect(other.text).toBe('{"message":"no"}\n');
  });

  test.each([
    [{}, 'value should match only one schema, but matches none'],
    [{ whitelist: hosts, blacklist: hosts }, 'but matches both schemas 1 and 2'],
    [{ whitelist: ['a b'] }, 'failed to match pattern'],
    [{ whitelist: [] }, 'expect array to have at least 1 items'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
