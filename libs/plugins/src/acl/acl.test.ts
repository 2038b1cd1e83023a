import { EXTERNAL_USER } from '@polygate/plugin-sdk';
import { mountPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './acl.ts';
import { compileJsonPath } from './json-path.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const CONSUMER = { username: 'jack', groupId: undefined, customId: undefined };

type Labels = Readonly<Record<string, string>> | undefined;

/** As after an auth plugin that found a consumer with these labels, or a user. */
function run(raw: object, who: { labels?: Labels; user?: unknown } = {}) {
  const afterAuth = {
    ...plugin,
    rewrite: (ctx: Parameters<NonNullable<typeof plugin.access>>[0]) => {
      if (who.user !== undefined) ctx.set(EXTERNAL_USER, who.user);
      if (!('labels' in who)) return;
      ctx.attachConsumer({
        ...CONSUMER,
        ...{ labels: who.labels, credentialId: undefined, authConf: {} },
      });
    },
  };
  return mountPlugin(afterAuth, conf(raw)).request();
}

const APISIX = { allow_labels: { project: ['apisix'] } };

describe('acl', () => {
  test('wants to know who it is', async () => {
    const { status, text } = await run(APISIX);
    expect([status, text]).toEqual([401, '{"message":"Missing authentication."}\n']);
  });

  test.each([
    ['apisix', 200],
    ['gateway,apisix , web', 200],
    ['["gateway","apisix"]', 200],
    ['gateway', 403],
    ['["a,apisix"]', 403],
    ['[apisix', 403],
    ['', 403],
  ])('the label %j of a consumer is %i where apisix is allowed', async (project, status) => {
    expect((await run(APISIX, { labels: { project } })).status).toBe(status);
    const denied = { deny_labels: { project: ['apisix'] } };
    expect((await run(denied, { labels: { project } })).status).toBe(status === 200 ? 403 : 200);
  });

  test('refuses a consumer without labels where some are wanted, with its own words', async () => {
    const plain = await run(APISIX, { labels: undefined });
    expect(plain.text).toBe('{"message":"The consumer is forbidden."}\n');
    const raw = { ...APISIX, rejected_code: 499, rejected_msg: 'no' };
    const own = await run(raw, { labels: { other: 'apisix' } });
    expect([own.status, own.text]).toEqual([499, '{"message":"no"}\n']);
  });

  test('what is denied counts before what is allowed', async () => {
    const raw = { allow_labels: { a: ['x'] }, deny_labels: { b: ['y'] } };
    expect((await run(raw, { labels: { a: 'x', b: 'y' } })).status).toBe(403);
    expect((await run(raw, { labels: { a: 'x', b: 'z' } })).status).toBe(200);
  });

  const team = (more: object) => ({
    external_user_label_field: '$..team',
    external_user_label_field_key: 'team',
    allow_labels: { team: ['infra'] },
    ...more,
  });
  const parser = (name: string) => ({ external_user_label_field_parser: name });
  const separator = (text: string) => ({
    ...parser('segmented_text'),
    external_user_label_field_separator: text,
  });

  test.each([
    [team({}), { team: ['cloud', 'infra'] }, 200],
    [team({}), { orgs: { team: 'cloud,infra' } }, 200],
    [team({}), { orgs: {} }, 403],
    [team({}), 'a text', 403],
    [team(parser('json')), { orgs: { team: '["infra"]' } }, 200],
    [team(parser('json')), { orgs: { team: 'infra' } }, 403],
    [team(parser('json')), { orgs: { team: ['infra'] } }, 403],
    [team(parser('table')), { team: 'infra' }, 403],
    [team(parser('table')), { team: ['infra'] }, 200],
    [team(separator('\\|')), { team: 'cloud | infra' }, 200],
    [team(separator('|')), { team: 'cloud|infra' }, 403],
    [team(separator('\\|')), { a: { team: 'x' }, b: { team: 'cloud|infra' } }, 200],
    [team(separator('\\|')), { a: { team: 'x|y' }, b: { team: ['infra'] } }, 200],
    [team(separator('\\|')), { team: ['infra'] }, 500],
    [team({ external_user_label_field_key: undefined }), { team: 'infra' }, 403],
    [{ allow_labels: { groups: ['a'] } }, { groups: ['a'] }, 200],
  ])('with %j the user %j is %i', async (raw, user, status) => {
    const cleaned = JSON.parse(JSON.stringify(raw)) as object;
    if (status === 500) await expect(run(cleaned, { user })).rejects.toThrow(TypeError);
    else expect((await run(cleaned, { user })).status).toBe(status);
  });

  test('tells of a separator that is no pattern', async () => {
    const { status, log } = await run(team(separator('(invalid(pattern')), {
      user: { team: 'cloud,infra' },
    });
    expect(status).toBe(403);
    expect(log.join()).toContain('failed to split labels [cloud,infra]');
  });

  test.each([
    [{}, 'object matches none of the required'],
    [{ allow_labels: {} }, 'validation failed'],
    [{ ...APISIX, ...parser('xml') }, 'matches none of the enum values'],
    [{ ...APISIX, ...parser('segmented_text') }, 'then clause did not match'],
    [{ ...APISIX, external_user_label_field: '$[' }, 'invalid external_user_label_field'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});

describe('compileJsonPath', () => {
  const document = { a: [{ b: 1 }, { b: 2, 'c d': 3 }], e: { b: 4 }, "it's": 5 };

  test.each([
    ['$', [document]],
    ['a[0].b', [1]],
    ['$.a[*].b', [1, 2]],
    ['$..b', [1, 2, 4]],
    ['$.a[-1]["c d"]', [3]],
    ["$['it\\'s']", [5]],
    ["$['e','a'].b", [4]],
    ['$.a[0, 1].b', [1, 2]],
    ['$.a[1:].b', [2]],
    ['$.a[:1].b', [1]],
    ['$.e.*', [4]],
    ['$..[0]', [{ b: 1 }]],
    ['$.none.b', []],
    ['$.a.b', []],
  ])('%s finds %j', (path, expected) => {
    expect(compileJsonPath(path)?.(document).map(({ value }) => value)).toEqual(expected);
  });

  test.each(['', '.', '$.', '$[', '$[?(@.a)]', 'a b', '$.a[1', '$[1,]', '$a', '$...a'])(
    '%j is no path',
    (path) => {
      expect(compileJsonPath(path)).toBeUndefined();
    },
  );
});
