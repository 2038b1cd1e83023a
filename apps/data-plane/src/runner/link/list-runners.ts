import type { ListRunnersResponse } from '@polygate/rpc';
import type { RunnerLink } from './runner-link.ts';

/** What one runner manager says of its runners. */
export interface ManagerRunners {
  readonly address: string;
  readonly runners: ListRunnersResponse['runners'];
  /** Undefined: it answered. */
  readonly error: string | undefined;
}

/** Never rejects. */
export async function runnersOf(link: RunnerLink, timeoutMs: number): Promise<ManagerRunners> {
  const { address } = link;
  if (!link.connected) return { address, runners: [], error: link.lastError || 'not connected' };
  try {
    const { runners } = await link.listRunners(timeoutMs);
    return { address, runners, error: undefined };
  } catch (error) {
    return { address, runners: [], error: (error as Error).message };
  }
}
