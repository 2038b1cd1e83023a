import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './degraphql.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);
const QUERY = 'query($name: String!) { persons(filter: { name: $name }) { id } }';
const json = (body: unknown) => ({ method: 'POST', body: JSON.stringify(body) });

describe('degraphql', () => {
  test('puts members of the body into the variables of its query', async () => {
    const raw = { query: QUERY, variables: ['name', 'age', 'toString'], operation_name: 'x' };
    const run = await runPlugin(plugin, conf(raw), json({ name: 'Josh', other: 1 }));
    expect(JSON.parse(String(run.upstreamRequest?.body))).toEqual({
      query: QUERY,
      operationName: 'x',
      variables: { name: 'Josh' },
    });
    expect(run.upstreamRequest?.headers.get('content-type')).toBe('application/json');
  });

  test('sends the query without variables where it has none', async () => {
    const run = await runPlugin(plugin, conf({ query: '{ persons { id } }' }), { method: 'POST' });
    expect(JSON.parse(String(run.upstreamRequest?.body))).toEqual({ query: '{ persons { id } }' });
  });

  test('puts arguments into the variables of a GET', async () => {
    const target = '/graphql?name=Niek&name=Josh&flag&other=1';
    const raw = { query: QUERY, variables: ['name', 'flag', 'age'] };
    const run = await runPlugin(plugin, conf(raw), { target });
    const sent = new URLSearchParams(run.upstreamRequest?.query);
    expect(sent.get('query')).toBe(QUERY);
    expect(JSON.parse(sent.get('variables') ?? '')).toEqual({ name: ['Niek', 'Josh'], flag: true });
    expect([...sent.keys()]).toEqual(['query', 'variables']);
  });

  test.each([
    ['another method', { method: 'PUT', body: '{}' }, 405],
    ['no body', { method: 'POST' }, 400],
    ['a body that is no JSON', { method: 'POST', body: '{' }, 400],
    ['a body that is no object', { method: 'POST', body: '"AA"' }, 400],
    ['a body that is too large', { method: 'POST', body: `{"name": "${'a'.repeat(99)}"}` }, 503],
  ])('refuses %s', async (_what, request, status) => {
    const raw = { query: QUERY, variables: ['name'], max_req_body_size: 50 };
    expect((await runPlugin(plugin, conf(raw), request)).status).toBe(status);
  });

  test.each([
    [{}, 'property "query" is required'],
    [{ query: 'uery {}' }, 'failed to parse query: Syntax error near line 1'],
    [{ query: '{ a\n{ b' }, 'failed to parse query: Syntax error near line 2'],
    [{ query: '{ a }', variables: [] }, 'expect array to have at least 1 items'],
    [
      { query: 'query a { a } query b { b }' },
      'operation_name is required if multiple operations are present in the query',
    ],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => conf(raw)).toThrow(message);
  });

  test('takes several operations with the name of one', () => {
    expect(() => conf({ query: 'query a { a } query b { b }', operation_name: 'a' })).not.toThrow();
  });
});
