import path from 'node:path';
import { pathToFileURL } from 'node:url';

/** For `node --import`: runs in the main thread and in each worker thread. */
export const AGENT_FILE = pathToFileURL(path.join(import.meta.dirname, 'thread-agent.ts')).href;
/** Where the agents find the benchmark: a Unix socket's path. */
export const AGENT_SOCKET_ENV = 'POLYGATE_BENCH_AGENT';
