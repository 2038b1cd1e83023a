import { memoryLog } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { BodyVariables, DEFAULT_BODY_LIMITS } from './body-variables.ts';
import type { VariableSource } from './body-variables.ts';

let log = memoryLog();

function of(body: string | undefined, more: Partial<VariableSource> = {}): BodyVariables {
  return new BodyVariables({
    method: 'POST',
    contentType: 'application/json',
    graphqlArgument: () => undefined,
    body: body === undefined ? undefined : Buffer.from(body),
    limits: DEFAULT_BODY_LIMITS,
    log,
    ...more,
  });
}

const form = { contentType: 'application/x-www-form-urlencoded; charset=utf-8' };

describe('post_arg_', () => {
  test('is the first argument of its name, decoded, of a form only', () => {
    expect(of('a=1%202&a=3&b', form).formArgument('a')).toBe('1 2');
    expect(of('a=1&b', form).formArgument('b')).toBe(true);
    expect(of('a=1').formArgument('a')).toBeUndefined();
  });
});

describe('post_arg.', () => {
  const chat = of(
    JSON.stringify({
      model: { name: 'm', size: 7 },
      stream: false,
      messages: [
        { content: [{ type: 'text' }, { type: 'image' }] },
        { content: [{ type: 'audio' }] },
      ],
    }),
  );

  test.each([
    ['model.name', 'm'],
    ['model.size', 7],
    ['stream', false],
    ['model', undefined],
    ['model.name.x', undefined],
    ['toString', undefined],
    ['messages[*].content[*].type', ['text', 'image', 'audio']],
    ['messages[0].content[-1].type', ['image']],
    ["messages[1]['content'][0].type", ['audio']],
    ['messages..type', ['text', 'image', 'audio']],
    ['messages[*].none', undefined],
    ['messages[?(@.x)]', undefined],
  ])('%s of JSON is %j', (path, expected) => {
    expect(chat.postArgument(path)).toEqual(expected);
  });

  test('reads forms and multipart bodies, too', () => {
    expect(of('a=1', form).postArgument('a')).toBe('1');
    const multipart = [
      '--xyz',
      'Content-Disposition: form-data; name="a"',
      '',
      'line 1\r\nline 2',
      '--xyz',
      'Content-Disposition: form-data; name="f"; filename="x"',
      'Content-Type: text/plain',
      '',
      'file',
      '--xyz--',
      '',
    ].join('\r\n');
    const body = of(multipart, { contentType: 'multipart/form-data; boundary=xyz' });
    expect(body.postArgument('a')).toBe('line 1\r\nline 2');
    expect(body.postArgument('f')).toBe('file');
    const bare = of(multipart.replaceAll('\r\n', '\n'), {
      contentType: 'multipart/form-data; boundary="xyz"',
    });
    expect(bare.postArgument('a')).toBe('line 1\nline 2');
  });

  test('has no value, and says why once, where the body is not what its type says', () => {
    log = memoryLog();
    const bad = of('{');
    expect([bad.postArgument('a'), bad.postArgument('b')]).toEqual([undefined, undefined]);
    const text = of('a', { contentType: 'text/plain' });
    expect(text.postArgument('a')).toBeUndefined();
    const large = of('{"a":1}', { limits: { ...DEFAULT_BODY_LIMITS, postArgsBytesMax: 3 } });
    expect(large.postArgument('a')).toBeUndefined();
    expect(log.lines).toHaveLength(3);
    expect(log.lines[1]).toContain('unsupported content-type: text/plain');
    expect(log.lines[2]).toContain('greater than the maximum size 3');
  });
});

describe('graphql_', () => {
  const query = 'query repo { owner { name } alias: repo { id } ...more }';

  test('tells name, operation and root fields of a POST, plain or in JSON, and of a GET', () => {
    const bodies = [
      of(query, { contentType: undefined }),
      of(JSON.stringify({ query })),
      of(undefined, { method: 'GET', graphqlArgument: () => query }),
    ];
    for (const body of bodies) {
      expect(body.graphql('name')).toBe('repo');
      expect(body.graphql('operation')).toBe('query');
      expect(body.graphql('root_fields')).toEqual(['owner', 'repo', 'more']);
    }
    expect(of('{ a }', { contentType: 'text' }).graphql('name')).toBe('');
    expect(of('{ a }', { contentType: 'text' }).graphql('other')).toBeUndefined();
  });

  test.each([
    [of('AA', { contentType: undefined }), 'failed to parse graphql: Syntax error near line 1'],
    [of(undefined), 'failed to read graphql data, request body has zero size'],
    [of('{"a":1}'), 'failed to read graphql data, json body[query] is nil'],
    [of(undefined, { method: 'GET' }), 'failed to read graphql data, args[query] is nil'],
    [of('{a}', { method: 'PUT' }), 'graphql not support `PUT` request'],
    [of('{a }'.repeat(30_000), { contentType: '' }), 'failed to parse graphql'],
    [of(`${'{a'.repeat(9000)}`, { contentType: '' }), 'failed to parse graphql'],
  ])('has no value where there is no document (%#)', (body, why) => {
    const lines = memoryLog();
    const fresh = new BodyVariables({ ...body.source, log: lines });
    expect(fresh.graphql('name')).toBeUndefined();
    expect(fresh.graphql('operation')).toBeUndefined();
    expect(lines.lines).toEqual([expect.stringContaining(why)]);
  });
});
