import type { Resource } from '../scenarios.ts';

const ADMIN_CALL_MS_MAX = 10_000;

export interface PutOptions {
  readonly adminUrl: string;
  readonly adminKey: string;
  readonly resources: readonly Resource[];
  readonly signal: AbortSignal;
  readonly say: (text: string) => void;
}

/**
 * Puts them in order. A plugin that the gateway does not have is left out, and said. Rejects with
 * what the Admin API answered to anything else it refuses.
 */
export async function putAll(options: PutOptions): Promise<void> {
  for (const resource of options.resources) await put(resource, options);
}

async function put([pathname, body]: Resource, options: PutOptions): Promise<void> {
  const { adminUrl, adminKey, signal, say } = options;
  const response = await fetch(`${adminUrl}${pathname}`, {
    method: 'PUT',
    headers: { 'X-API-KEY': adminKey },
    body: JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ADMIN_CALL_MS_MAX)]),
  });
  const text = await response.text();
  if (response.ok) return;
  const unknown = /unknown plugin \[([\w-]+)\]/.exec(text)?.[1];
  const plugins = body['plugins'] as Record<string, unknown> | undefined;
  if (unknown === undefined || plugins?.[unknown] === undefined) {
    throw new Error(`PUT ${pathname}: ${response.status} ${text}`);
  }
  say(`HAS NO PLUGIN ${unknown}: measured without it`);
  const known = Object.fromEntries(Object.entries(plugins).filter(([name]) => name !== unknown));
  await put([pathname, { ...body, plugins: known }], options);
}
