import type { Children } from '../children.ts';
import type { Load, LoadResult } from './load.ts';

const CONNECTIONS = 64;
/** wrk leaves answers that took longer out of its percentiles. */
const ANSWER_SECONDS_MAX = 10;
/** For what wrk does besides: connecting, and waiting for the last answers. */
const WRK_EXTRA_MS_MAX = 20_000;

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/**
 * Loads `url` with 64 keep-alive connections of one thread, each sending when it got its answer.
 * Rejects when wrk fails or does not come to an end.
 */
export async function runWrk(
  children: Children,
  load: Load,
  { seconds, cpus }: { seconds: number; cpus: string | undefined },
): Promise<LoadResult> {
  const headers = Object.entries(load.headers).flatMap(([k, v]) => ['-H', `${k}: ${v}`]);
  const script = load.script === undefined ? [] : ['-s', load.script];
  const wrk = children.start({
    name: 'wrk',
    command: [
      ...['wrk', '-t1', `-c${CONNECTIONS}`, `-d${seconds}s`, '--latency'],
      ...['--timeout', `${ANSWER_SECONDS_MAX}s`],
      ...[...headers, ...script, load.url],
    ],
    cpus,
  });
  const late = setTimeout(() => void wrk.stop(), seconds * 1000 + WRK_EXTRA_MS_MAX);
  const code = await wrk.exited;
  clearTimeout(late);
  if (code !== 0) throw new Error(`wrk ended with ${code}:\n${wrk.output()}`);
  return parseWrkOutput(wrk.output());
}

/** What `wrk --latency` prints. Throws when a figure is missing. */
export function parseWrkOutput(text: string): LoadResult {
  const total = group(/^\s*(\d+) requests in (\S+),/m, text);
  const socketErrors =
    /^\s*Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/m.exec(text);
  return {
    requests: Number(total[0]),
    durationMs: toMs(total[1]),
    requestsPerSecond: Number(group(/^Requests\/sec:\s+([\d.]+)/m, text)[0]),
    p50Ms: toMs(group(/^\s*50%\s+(\S+)/m, text)[0]),
    p99Ms: toMs(group(/^\s*99%\s+(\S+)/m, text)[0]),
    socketErrors: (socketErrors ?? []).slice(1).reduce((sum, count) => sum + Number(count), 0),
    refused: Number(/^\s*Non-2xx or 3xx responses: (\d+)/m.exec(text)?.[1] ?? 0),
  };
}

function group(pattern: RegExp, text: string): string[] {
  const match = pattern.exec(text);
  if (match === null) throw new Error(`wrk printed nothing like ${String(pattern)}:\n${text}`);
  return match.slice(1);
}

function toMs(text = ''): number {
  const [, value, unit = ''] = /^([\d.]+)(us|ms|s|m|h)$/.exec(text) ?? [];
  const msPerUnit = MS_PER_UNIT[unit];
  if (value === undefined || msPerUnit === undefined) {
    throw new Error(`wrk printed ${text} where a time belongs`);
  }
  return Number(value) * msPerUnit;
}
