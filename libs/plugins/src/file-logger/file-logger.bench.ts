// Prints what a request costs in this plugin, with a real file:
//   node libs/plugins/src/file-logger/file-logger.bench.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HeaderList, lineFiles } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import plugin from './file-logger.ts';

const REQUESTS = 200_000;
const ROUNDS = 5;

const folder = mkdtempSync(join(tmpdir(), 'polygate-bench-'));
const path = join(folder, 'file.log');
const noLog = { debug() {}, info() {}, warn() {}, error: (text: string) => console.error(text) };
const env = { metadata: {}, log: noLog } as unknown as PluginEnvironment;
const prepare = (conf: object) => plugin.prepare?.({ path, ...conf }, env);

const requestHeaders = HeaderList.fromRaw([
  ...['Host', '127.0.0.1:9080', 'User-Agent', 'curl/8.5.0', 'Accept', '*/*', 'apikey', 'auth-one'],
  ...['X-Request-Id', '5a0d7f0e-53c5-44f4-9ddb-8a5ea4f4fcd4', 'X-Consumer-Username', 'jack'],
]);
const responseHeaders = HeaderList.fromRaw([
  ...[
    'Content-Type',
    'text/plain',
    'Content-Length',
    '12',
    'Date',
    'Sun, 22 Nov 2026 12:00:00 GMT',
  ],
  ...['X-RateLimit-Limit', '1000', 'X-RateLimit-Remaining', '999', 'Server', 'Polygate'],
]);
const values: Readonly<Record<string, string>> = {
  host: '127.0.0.1',
  remote_addr: '127.0.0.1',
  request_uri: '/hello?a=1',
  status: '200',
};

await report('the full entry', prepare({}));
await report(
  'a log_format of three',
  prepare({ log_format: { h: '$host', s: '$status', a: '$remote_addr' } }),
);
await lineFiles.close();
rmSync(folder, { recursive: true });

async function report(what: string, prepared: ReturnType<typeof prepare>): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let i = 0; i < REQUESTS; i++) {
      if (prepared !== undefined) plugin.log?.(context(i), prepared);
      if (i % 32 === 31) await new Promise(setImmediate);
    }
    const { user, system } = process.cpuUsage(before);
    console.log(`${what}: ${((user + system) / REQUESTS).toFixed(2)} µs CPU of all threads`);
  }
}

function context(i: number): RequestContext {
  return {
    request: {
      method: 'GET',
      scheme: 'http',
      host: '127.0.0.1',
      rawTarget: '/hello?a=1',
      query: 'a=1',
      headers: requestHeaders,
      getArguments: () => [{ name: 'a', value: '1' }],
    },
    response: { status: 200, headers: responseHeaders },
    client: { address: '127.0.0.1', port: 4000 },
    server: { address: '127.0.0.1', port: 9080 },
    startTimeMs: Date.now() - (i % 5),
    route: { id: '1', serviceId: undefined },
    consumer: { username: 'jack' },
    vars: { get: (name: string) => values[name], set: () => undefined },
    attempts: [{ address: '127.0.0.1:1980', status: 200, responseTimeMs: i % 3 }],
    bytesSent: 200,
    bytesReceived: 150,
    log: noLog,
  } as unknown as RequestContext;
}
