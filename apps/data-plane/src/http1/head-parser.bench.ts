/**
 * Nanoseconds to parse one request head, ours beside node's llhttp binding:
 * `node apps/data-plane/src/http1/head-parser.bench.ts`. Best of several rounds, run in turns.
 */
import { createRequire } from 'node:module';
import type { HeaderList } from '@polygate/plugin-sdk';
import { RequestHeadParser } from './head-parser.ts';
import { requestHeadText, responseHeadText } from './write-head.ts';

const HEADS_A_ROUND = 20_000;
const ROUNDS = 60;
const LIMITS = { headBytesMax: 32_768, headersMax: 100, targetBytesMax: 8_192 };

const short = Buffer.from('GET / HTTP/1.1\r\nHost: 127.0.0.1:9080\r\n\r\n');
const long = Buffer.from(
  [
    'GET /api/v1/users/42?fields=name,email&expand=teams HTTP/1.1',
    'Host: gateway.example.com:9080',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126',
    'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
    'Accept-Language: en-GB,en;q=0.9,de;q=0.8',
    'Accept-Encoding: gzip, deflate, br',
    'Authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl',
    'Cookie: session=4f1c2b7e9a8d4c3b; theme=dark; consent=all; region=eu-central-1; experiment=b7; lang=en',
    'Referer: https://gateway.example.com/dashboard?tab=users',
    'X-Request-ID: 7b0e2d7c-1e55-4c2c-9c5f-0d7a4c1b9f10',
    'Cache-Control: no-cache',
    'Connection: keep-alive',
    '',
    '',
  ].join('\r\n'),
);

const ours = new RequestHeadParser(LIMITS);
let sink = 0;

interface NodeParser {
  initialize(type: number, resource: object): void;
  execute(buffer: Buffer): unknown;
  [callback: number]: unknown;
}
interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}
const { HTTPParser } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: NodeParserClass;
};
const llhttp = new HTTPParser();
llhttp.initialize(HTTPParser.REQUEST, {});
llhttp[HTTPParser.kOnHeadersComplete] = (_major: number, _minor: number, headers: string[]) => {
  sink += headers.length;
  return 0;
};
llhttp[HTTPParser.kOnMessageComplete] = () => undefined;

function parseOurs(head: Buffer): void {
  ours.parse(head, 0, head.length);
  sink += ours.headers.size;
  ours.reset();
}

function parseLlhttp(head: Buffer): void {
  llhttp.execute(head);
}

function parsedHeaders(head: Buffer): HeaderList {
  parseOurs(head);
  ours.parse(head, 0, head.length);
  const { headers } = ours;
  ours.reset();
  return headers;
}

const written = parsedHeaders(long);
const out = Buffer.alloc(16_384) as Buffer & { latin1Write(text: string, at: number): number };
function writeResponse(): void {
  const head = { status: 200, reason: undefined, headers: written, framing: 'length' } as const;
  const rest = { contentLength: 1024, keepAlive: true, upgrade: undefined, date: 'now' };
  sink += out.latin1Write(responseHeadText({ ...head, ...rest }), 0);
}
function writeRequest(): void {
  const head = { method: 'GET', target: '/api/v1/users/42', host: 'a', headers: written } as const;
  const rest = { framing: 'none', contentLength: 0, keepAlive: true, upgrade: undefined } as const;
  sink += out.latin1Write(requestHeadText({ ...head, ...rest }), 0);
}

function nanoseconds(run: () => void): number {
  const begin = process.hrtime.bigint();
  for (let i = 0; i < HEADS_A_ROUND; i++) run();
  return Number(process.hrtime.bigint() - begin) / HEADS_A_ROUND;
}

const cases: [string, () => void][] = [
  [`ours ${short.length} B`, () => parseOurs(short)],
  [`llhttp ${short.length} B`, () => parseLlhttp(short)],
  [`ours ${long.length} B`, () => parseOurs(long)],
  [`llhttp ${long.length} B`, () => parseLlhttp(long)],
  ['write response head, 11 fields', writeResponse],
  ['write request head, 11 fields', writeRequest],
];
const best = cases.map(() => Infinity);
for (let round = 0; round < ROUNDS; round++) {
  cases.forEach(([, run], i) => {
    best[i] = Math.min(best[i] as number, nanoseconds(run));
  });
}
cases.forEach(([name], i) => console.log(`${name}: ${(best[i] as number).toFixed(0)} ns`));
const ratio = (at: number): string => ((best[at + 1] as number) / (best[at] as number)).toFixed(2);
console.log(`llhttp takes ${ratio(0)} and ${ratio(2)} times as long (${sink} fields seen)`);
