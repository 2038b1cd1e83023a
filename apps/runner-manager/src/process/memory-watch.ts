import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Processes of one runner that are counted. */
const PROCESSES_MAX = 256;

export interface MemoryWatchOptions {
  readonly pid: number;
  readonly memoryBytesMax: number;
  readonly intervalMs: number;
  /** Ends the watch. */
  readonly signal: AbortSignal;
  /** Called once. */
  readonly onExceeded: (usedBytes: number) => void;
}

/** Whether this system tells what memory a process uses. */
export const canWatchMemory = process.platform === 'linux';

/**
 * Looks at the resident memory of a process and its descendants from time to time. The limits of
 * the kernel for a process (`RLIMIT_AS`, `RLIMIT_DATA`) count what is reserved: Node reserves
 * 570 MB before it runs a line, and a limit below that kills it at once.
 */
export async function watchMemory(options: MemoryWatchOptions): Promise<void> {
  const { pid, memoryBytesMax, intervalMs, signal, onExceeded } = options;
  while (!signal.aborted) {
    const usedBytes = residentBytes(pid);
    if (usedBytes > memoryBytesMax) return onExceeded(usedBytes);
    await sleep(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
  }
}

/** 0 for processes that are gone. */
export function residentBytes(pid: number): number {
  let bytes = 0;
  const pids = [pid];
  for (let i = 0; i < pids.length && i < PROCESSES_MAX; i += 1) {
    const status = readOrEmpty(`/proc/${pids[i]}/status`);
    bytes += Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
    pids.push(...childrenOf(pids[i] as number));
  }
  return bytes;
}

/** Each thread has its own children, and Go starts processes on any of them. */
function childrenOf(pid: number): number[] {
  return threadsOf(pid)
    .flatMap((thread) => readOrEmpty(`/proc/${pid}/task/${thread}/children`).split(' '))
    .filter(Boolean)
    .map(Number);
}

function threadsOf(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/task`);
  } catch {
    return [];
  }
}

/** A process may end between two looks. */
function readOrEmpty(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
