import { Session } from 'node:inspector/promises';

/**
 * A full collection of this thread's heap. Through the inspector, since the function `gc` needs a
 * flag at the start of the process. Rejects when another session refuses it.
 */
export async function collectGarbage(): Promise<void> {
  const session = new Session();
  session.connect();
  try {
    await session.post('HeapProfiler.collectGarbage');
  } finally {
    session.disconnect();
  }
}
