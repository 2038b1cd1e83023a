import type { RegistryEndpoint } from '@polygate/chassis';
import { RegistryClient } from './registry-http.ts';
import type { RegistryServer } from './registry-http.ts';

/** One of several servers that know the same. */
export interface PolledServer extends RegistryEndpoint {
  readonly client: RegistryClient;
}

type Limits = Omit<RegistryServer, 'base'>;

export function openServers(
  endpoints: readonly RegistryEndpoint[],
  limits: Limits,
): readonly PolledServer[] {
  return endpoints.map((endpoint) => {
    const base = endpoint.url.slice(0, -1);
    return { ...endpoint, client: new RegistryClient({ ...limits, base }) };
  });
}

/** Asks one after another, beginning anywhere, until one answers. Undefined: none did. */
export async function firstAnswer<T>(
  servers: readonly PolledServer[],
  ask: (server: PolledServer) => Promise<T>,
  onFailure: (server: PolledServer, reason: string) => void,
): Promise<T | undefined> {
  const first = Math.floor(Math.random() * servers.length);
  for (const server of [...servers.slice(first), ...servers.slice(0, first)]) {
    try {
      return await ask(server);
    } catch (error) {
      onFailure(server, (error as Error).message);
    }
  }
  return undefined;
}

/** Registries write numbers as texts where they have nothing but texts. */
export function numberIn(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}
