import type { MountedPlugin, PluginRequest, PluginRun } from '@polygate/testing';
import { expect } from 'vitest';
import { REDIRECT, type TestProvider } from './openid-provider.harness.ts';

/** Goes to a gateway and to the provider, and keeps cookies as a browser does. */
export class Browser {
  readonly #provider: TestProvider;
  readonly #plugin: MountedPlugin;
  readonly cookies = new Map<string, string>();

  constructor(provider: TestProvider, one: MountedPlugin) {
    this.#provider = provider;
    this.#plugin = one;
  }

  async get(target: string, more: PluginRequest = {}): Promise<PluginRun> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { Host: 'gateway.test', ...(cookie !== '' && { Cookie: cookie }) };
    const run = await this.#plugin.request({
      ...more,
      target,
      headers: { ...headers, ...more.headers },
    });
    for (const line of run.headers.getAll('set-cookie')) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return run;
  }

  /** To the provider and back; gives the answer to what the provider sent the browser to. */
  async logIn(target: string): Promise<PluginRun> {
    const start = await this.get(target);
    expect(start.status).toBe(302);
    const back = await this.#provider.follow(start.headers.get('location') ?? '');
    expect(back.href.startsWith(REDIRECT)).toBe(true);
    return this.get(`${back.pathname}${back.search}`);
  }
}
