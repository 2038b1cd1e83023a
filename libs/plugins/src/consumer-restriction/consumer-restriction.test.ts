import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { mountPlugin, validConf, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './consumer-restriction.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

/** As after an auth plugin that found this consumer. */
function run(raw: object, username?: string, request: PluginRequest = {}) {
  const consumer: ConsumerMatch | undefined =
    username === undefined
      ? undefined
      : {
          username,
          groupId: `group-of-${username}`,
          labels: undefined,
          customId: undefined,
          credentialId: undefined,
          authConf: {},
        };
  const afterAuth = {
    ...plugin,
    rewrite: (ctx: Parameters<NonNullable<typeof plugin.access>>[0]) => {
      if (consumer !== undefined) ctx.attachConsumer(consumer);
    },
  };
  return mountPlugin(afterAuth, conf(raw)).request(request);
}

describe('consumer-restriction', () => {
  test('lets consumers on the whitelist pass, and no other', async () => {
    const raw = { whitelist: ['jack1'] };
    expect((await run(raw, 'jack1')).status).toBe(200);
    const refused = await run(raw, 'jack2');
    expect(refused.status).toBe(403);
    expect(refused.text).toBe('{"message":"The consumer_name is forbidden."}\n');
  });

  test('refuses consumers on the blacklist, with code and message of the conf', async () => {
    const raw = { blacklist: ['jack1'], rejected_code: 401, rejected_msg: 'no' };
    const refused = await run(raw, 'jack1');
    expect(refused.status).toBe(401);
    expect(refused.text).toBe('{"message":"no"}\n');
    expect((await run(raw, 'jack2')).status).toBe(200);
  });

  test('the blacklist wins over the whitelist', async () => {
    expect((await run({ whitelist: ['jack1'], blacklist: ['jack1'] }, 'jack1')).status).toBe(403);
  });

  test('answers 401 to a request without consumer, whatever code the conf has', async () => {
    const refused = await run({ blacklist: ['jack1'], rejected_code: 404 });
    expect(refused.status).toBe(401);
    expect(refused.text).toBe(
      '{"message":"The request is rejected, please check the consumer_name for this request"}\n',
    );
  });

  test('goes by methods, for users that are named', async () => {
    const raw = {
      allowed_by_methods: [
        { user: 'jack1', methods: ['POST'] },
        { user: 'jack1', methods: ['GET'] },
        { methods: ['PUT'] },
      ],
    };
    expect((await run(raw, 'jack1', { method: 'POST' })).status).toBe(200);
    expect((await run(raw, 'jack1', { method: 'GET' })).status).toBe(403);
    expect((await run(raw, 'jack2', { method: 'GET' })).status).toBe(200);
  });

  test('whoever is on the whitelist may use every method', async () => {
    const raw = { whitelist: ['jack1'], allowed_by_methods: [{ user: 'jack1', methods: ['PUT'] }] };
    expect((await run(raw, 'jack1')).status).toBe(200);
    expect((await run(raw, 'jack2')).status).toBe(403);
  });

  test.each([
    ['route_id', { route: { id: '7' } }, '7'],
    ['service_id', { route: { serviceId: 's' } }, 's'],
    ['consumer_group_id', {}, 'group-of-jack'],
  ])('goes by %s as well', async (type, request, name) => {
    expect((await run({ type, whitelist: [name] }, 'jack', request)).status).toBe(200);
    expect((await run({ type, blacklist: [name] }, 'jack', request)).status).toBe(403);
    expect((await run({ type, blacklist: ['x'] }, undefined, { route: null })).status).toBe(401);
  });

  test.each([
    [{}, 'object matches none of the required'],
    [{ whitelist: [] }, 'expect array to have at least 1 items'],
    [{ whitelist: ['a'], type: 'ip' }, 'matches none of the enum values'],
    [{ whitelist: ['a'], rejected_code: 100 }, 'expected 100 to be at least 200'],
    [{ allowed_by_methods: [{ methods: ['FETCH'] }] }, 'matches none of the enum values'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
