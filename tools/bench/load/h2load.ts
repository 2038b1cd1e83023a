import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Children } from '../children.ts';
import type { Load, LoadResult } from './load.ts';

const CONNECTIONS = 16;
const STREAMS = 8;
/** For what h2load does besides: connecting, and waiting for the last answers. */
const H2LOAD_EXTRA_MS_MAX = 20_000;

/**
 * Loads `url` over 16 connections of HTTP/2 in clear text with 8 streams each.
 * Rejects when h2load fails or does not come to an end.
 */
export async function runH2load(
  children: Children,
  { url, headers, folder }: Load,
  { seconds, cpus }: { seconds: number; cpus: string | undefined },
): Promise<LoadResult> {
  const logFile = path.join(folder, 'h2load.log');
  await rm(logFile, { force: true });
  const h2load = children.start({
    name: 'h2load',
    command: [
      ...['h2load', '-t1', `-c${CONNECTIONS}`, `-m${STREAMS}`, `-D${seconds}`],
      ...['--log-file', logFile],
      ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
      url,
    ],
    cpus,
  });
  const late = setTimeout(() => void h2load.stop(), seconds * 1000 + H2LOAD_EXTRA_MS_MAX);
  const code = await h2load.exited;
  clearTimeout(late);
  if (code !== 0) throw new Error(`h2load ended with ${code}:\n${h2load.output()}`);
  return parseH2load(h2load.output(), await readFile(logFile, 'utf8'));
}

/** What h2load prints, and its log: begin in µs, status and duration in µs of each request. */
export function parseH2load(text: string, log: string): LoadResult {
  const finished = /^finished in ([\d.]+)(us|ms|s|m), ([\d.]+) req\/s/m.exec(text);
  const totals = /^requests: \d+ total, \d+ started, (.*)$/m.exec(text)?.[1] ?? '';
  const counts = /^(\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(
    totals,
  );
  const statuses = /^status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/m.exec(text);
  if (finished === null || counts === null || statuses === null) {
    throw new Error(`h2load printed no figures:\n${text}`);
  }
  const durationsMs = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split('\t')[2]) / 1000)
    .sort((a, b) => a - b);
  const at = (share: number): number =>
    durationsMs[Math.min(durationsMs.length - 1, Math.floor(durationsMs.length * share))] ?? NaN;
  const [refused4xx = 0, refused5xx = 0] = statuses.slice(3).map(Number);
  const [errored = 0, timedOut = 0] = counts.slice(4).map(Number);
  const requests = Number(counts[1]);
  const requestsPerSecond = Number(finished[3]);
  return {
    requests,
    durationMs: requestsPerSecond === 0 ? 0 : (requests / requestsPerSecond) * 1000,
    requestsPerSecond,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    socketErrors: errored + timedOut,
    refused: refused4xx + refused5xx,
  };
}
