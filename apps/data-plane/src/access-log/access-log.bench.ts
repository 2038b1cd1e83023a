// Prints what one line of APISIX's default format costs, with real variables and a real file:
//   node apps/data-plane/src/access-log/access-log.bench.ts
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '@polygate/chassis';
import { HeaderList } from '@polygate/plugin-sdk';
import type { GatewayContext } from '../request/gateway-context.ts';
import { RequestVariables } from '../request/variables.ts';
import { createAccessLog } from './access-log.ts';
import { compileLogFormat } from './log-format.ts';

const LINES = 500_000;
const ROUNDS = 5;

const RESPONSE_HEADERS = HeaderList.fromRaw(['Content-Type', 'text/plain']);
const REQUEST_HEADERS = HeaderList.fromRaw([
  ...['Host', '127.0.0.1:9080', 'User-Agent', 'curl/8.5.0', 'Accept', '*/*'],
  ...['X-Trace', 'abc', 'apikey', 'auth-one'],
]);

const folder = mkdtempSync(join(tmpdir(), 'polygate-bench-'));
const { accessLog: config } = loadConfig(join(import.meta.dirname, '../../../../conf/config.yaml'));
const noLog = { debug() {}, info() {}, warn() {}, error: (text: string) => console.error(text) };
const log = createAccessLog({ ...config, file: join(folder, 'access.log') }, noLog);
const formatLine = compileLogFormat(config.format, config.escape);

let characters = 0;
for (let round = 0; round < ROUNDS; round++) {
  const ownNs = await measure((vars) => void (characters += vars.get('pipe')?.length ?? 0));
  const formatNs = await measure((vars) => void (characters += formatLine(vars).length));
  const writeNs = await measure((vars) => log?.write(vars));
  console.log(
    `${formatNs - ownNs} ns/line to format, ${writeNs - ownNs} ns/line with writing ` +
      `(CPU of all threads, less the ${ownNs} ns of the bench itself)`,
  );
}
console.log(`${Math.round(characters / LINES / ROUNDS)} bytes/line`);
await log?.close();
rmSync(folder, { recursive: true });

/** Yields now and then, as an event loop does, so that writes can end. */
async function measure(write: (vars: RequestVariables) => void): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < LINES; i++) {
    write(new RequestVariables(context(i)));
    if (i % 64 === 63) await new Promise(setImmediate);
  }
  const { user, system } = process.cpuUsage(before);
  return Math.round(((user + system) * 1000) / LINES);
}

function context(i: number): GatewayContext {
  const address = '127.0.0.1';
  return {
    client: { address, port: 40_000 },
    startTimeMs: Date.now() - (i % 9),
    bodyBytesSent: 1024,
    requestId: 'd41d8cd98f00b204e9800998ecf8427e',
    attempts: [{ address: '127.0.0.1:1980', status: 200, headerTimeMs: 1, responseTimeMs: i % 7 }],
    upstream: { scheme: 'http' },
    response: { status: 200, headers: RESPONSE_HEADERS },
    exchange: { method: 'GET', httpVersion: '1.1' },
    request: {
      rawTarget: `/hello?i=${i}`,
      upstreamHost: undefined,
      upstreamPath: undefined,
      headers: REQUEST_HEADERS,
    },
  } as unknown as GatewayContext;
}
