import { compileSchema } from '@polygate/model';
import { mountPlugin, type PluginRequest } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import plugin from './error-page.ts';

/** Metadata as the gateway hands it over: checked, with defaults. */
function metadata(raw: Record<string, unknown>): Record<string, unknown> {
  compileSchema(plugin.definition.metadataSchema ?? {})(raw);
  return raw;
}

/** An answer of the gateway with this status, through the plugin. */
function answer(status: number, raw: Record<string, unknown>, request: PluginRequest = {}) {
  const refusing = { ...plugin, access: () => ({ status, body: 'the reason' }) };
  return mountPlugin(refusing, {}, { metadata: metadata(raw) }).request(request);
}

describe('error-page', () => {
  const page = { body: '<h1>gone</h1>', content_type: 'text/html; charset=utf-8' };

  test('puts its page in the place of an error of the gateway', async () => {
    const run = await answer(404, { enable: true, error_404: page });
    expect(run.status).toBe(404);
    expect(run.text).toBe('<h1>gone</h1>');
    expect(run.headers.toRaw()).toEqual([
      ...['Content-Type', 'text/html; charset=utf-8', 'Content-Length', '13'],
    ]);
  });

  test('has a page where the metadata leaves it out', async () => {
    const run = await answer(503, { enable: true, error_503: {} });
    expect(run.text).toContain('<center><h1>503 Service Unavailable</h1></center>');
    expect(run.headers.get('Content-Type')).toBe('text/html');
  });

  test('knows any status from 404 on', async () => {
    expect((await answer(429, { enable: true, error_429: page })).text).toBe('<h1>gone</h1>');
    const forbidden = await answer(403, { enable: true, error_403: page });
    expect(forbidden.text).toBe('the reason');
  });

  test.each([
    { error_404: page },
    { enable: false, error_404: page },
    { enable: true, error_500: page },
    { enable: true, error_404: { body: '' } },
  ])('leaves the answer alone with %j', async (raw) => {
    expect((await answer(404, raw)).text).toBe('the reason');
  });

  test('leaves an error of the upstream alone', async () => {
    const mounted = mountPlugin(plugin, {}, { metadata: { enable: true, error_404: page } });
    const run = await mounted.request({ upstream: { status: 404, body: ['not', ' here'] } });
    expect(run.text).toBe('not here');
  });

  test('has nothing to do in any phase while it is not enabled', () => {
    const prepared = plugin.prepare?.({}, { metadata: { error_404: page } } as never);
    expect(plugin.runsIn?.('bodyFilter', prepared!)).toBe(false);
  });
});
