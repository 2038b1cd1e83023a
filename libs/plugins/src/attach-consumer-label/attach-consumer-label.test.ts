import type { ConsumerMatch, RequestContext } from '@polygate/plugin-sdk';
import { mountPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './attach-consumer-label.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

/** What the upstream gets of a request, as after an auth plugin that found a consumer. */
async function headersSent(raw: object, labels: ConsumerMatch['labels'] | null) {
  const consumer: ConsumerMatch = {
    username: 'jack',
    groupId: undefined,
    labels: labels ?? undefined,
    customId: undefined,
    credentialId: undefined,
    authConf: {},
  };
  const afterAuth = {
    ...plugin,
    rewrite: (ctx: RequestContext) => {
      if (labels !== null) ctx.attachConsumer(consumer);
    },
  };
  const { upstreamRequest } = await mountPlugin(afterAuth, conf(raw)).request({
    headers: { 'X-Role': 'admin', 'X-Other': 'stays' },
  });
  return upstreamRequest!.headers;
}

describe('attach-consumer-label', () => {
  test('sends labels of the consumer in the headers of the conf', async () => {
    const headers = await headersSent(
      { headers: { 'X-Role': '$role', 'X-Department': '$department' } },
      { role: 'reader', department: 'devops', company: 'api7' },
    );
    expect(headers.getAll('x-role')).toEqual(['reader']);
    expect(headers.get('x-department')).toBe('devops');
    expect(headers.get('x-company')).toBeUndefined();
    expect(headers.get('x-other')).toBe('stays');
  });

  test.each([
    ['the consumer lacks the label', { department: 'devops' }],
    ['the consumer has no labels', undefined],
    ['there is no consumer', null],
  ])('drops what the client says in such a header where %s', async (_case, labels) => {
    const headers = await headersSent({ headers: { 'x-ROLE': '$role' } }, labels);
    expect(headers.has('x-role')).toBe(false);
    expect(headers.get('x-other')).toBe('stays');
  });

  test('takes no label for one that objects have anyway', async () => {
    const headers = await headersSent({ headers: { 'X-Role': '$constructor' } }, { a: 'b' });
    expect(headers.has('x-role')).toBe(false);
  });

  test.each([
    [{}, 'property "headers" is required'],
    [{ headers: {} }, 'expect object to have at least 1 properties'],
    [{ headers: { 'X-A': 'a' } }, 'failed to match pattern "^\\\\$.*" with "a"'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });
});
