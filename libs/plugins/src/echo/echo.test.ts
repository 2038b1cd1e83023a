import { runPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './echo.ts';

const conf = (raw: object) => validConf(plugin.definition, raw);

describe('echo', () => {
  test('replaces the upstream body, whatever number of chunks it has', async () => {
    const run = await runPlugin(
      plugin,
      conf({ before_body: 'before ', body: 'mine', after_body: ' after' }),
      { upstream: { body: ['one', 'two', 'three'] } },
    );
    expect(run.text).toBe('before mine after');
  });

  test('puts text before the first and after the last chunk', async () => {
    const run = await runPlugin(plugin, conf({ before_body: '<', after_body: '>' }), {
      upstream: { body: ['one', 'two'] },
    });
    expect(run.text).toBe('<onetwo>');
  });

  test('frames an empty body as well', async () => {
    const run = await runPlugin(plugin, conf({ before_body: '<', after_body: '>' }), {
      upstream: { body: [] },
    });
    expect(run.text).toBe('<>');
  });

  test('drops headers that no longer hold for the changed body', async () => {
    const run = await runPlugin(plugin, conf({ body: 'x' }), {
      upstream: {
        headers: {
          'Content-Length': '12',
          'Content-Encoding': 'gzip',
          ETag: '"1"',
          'Last-Modified': 'today',
          'Content-Type': 'text/plain',
        },
      },
    });
    expect(run.headers.toRaw()).toEqual(['Content-Type', 'text/plain']);
  });

  test('sets headers of the response', async () => {
    const run = await runPlugin(
      plugin,
      conf({ body: 'x', headers: { Location: '/there', 'X-Number': 5, 'X-Object': {} } }),
      { upstream: { headers: { Location: '/here' } } },
    );
    expect(run.headers.toRaw()).toEqual(['Location', '/there', 'X-Number', '5']);
  });

  test('refuses a conf without any body', () => {
    expect(() => conf({ headers: { a: 'b' } })).toThrow('object matches none of the required');
  });
});
