/** Reads a connection's bytes with the llhttp that node has in it, in its strict mode. */
import { createRequire } from 'node:module';
import type { Message, Reading, Side } from './read-messages.harness.ts';

interface NodeParser {
  initialize(type: number, resource: object, headBytesMax: number, lenientFlags: number): void;
  execute(buffer: Buffer): number | (Error & { code: string; reason: string });
  close(): void;
  [callback: number]: unknown;
}

interface NodeParserClass {
  new (): NodeParser;
  readonly REQUEST: number;
  readonly RESPONSE: number;
  readonly kOnHeaders: number;
  readonly kOnHeadersComplete: number;
  readonly kOnBody: number;
  readonly kOnMessageComplete: number;
}

const { HTTPParser, methods } = createRequire(import.meta.url)('_http_common') as {
  HTTPParser: NodeParserClass;
  methods: readonly string[];
};
const HEAD_BYTES_MAX = 65_536;

export const LLHTTP_METHODS: ReadonlySet<string> = new Set(methods);

/** In one piece. `error.reason` is llhttp's code and words. */
export function readWithLlhttp(bytes: Buffer, side: Side): Reading {
  const messages: Message[] = [];
  const parser = new HTTPParser();
  const type = side === 'request' ? HTTPParser.REQUEST : HTTPParser.RESPONSE;
  parser.initialize(type, {}, HEAD_BYTES_MAX, 0);
  let flushed: string[] = [];
  let flushedTarget = '';
  // more than 32 fields come in several calls, trailers as well
  parser[HTTPParser.kOnHeaders] = (headers: string[], target: string) => {
    flushed.push(...headers);
    flushedTarget += target;
  };
  parser[HTTPParser.kOnHeadersComplete] = (
    _major: number,
    minorVersion: number,
    headers: string[] | undefined,
    method: number,
    target: string | undefined,
    status: number | undefined,
    _reason: string | undefined,
    upgrade: boolean,
    keepAlive: boolean,
  ) => {
    messages.push({
      method: side === 'request' ? (methods[method] as string) : '',
      target: target ?? flushedTarget,
      status: status ?? 0,
      minorVersion,
      headers: headers ?? flushed,
      upgrade,
      keepAlive,
      body: '',
      trailers: [],
      isComplete: false,
    });
    flushed = [];
    flushedTarget = '';
    return 0;
  };
  parser[HTTPParser.kOnBody] = (piece: Buffer) => {
    (messages.at(-1) as Message).body += piece.toString('latin1');
  };
  parser[HTTPParser.kOnMessageComplete] = () => {
    const message = messages.at(-1) as Message;
    message.isComplete = true;
    message.trailers = flushed;
    // node hands the target of a request out again with its trailers
    flushed = [];
    flushedTarget = '';
  };
  const outcome = parser.execute(bytes);
  parser.close();
  if (typeof outcome === 'number') return { messages, error: undefined };
  return { messages, error: { reason: `${outcome.code} ${outcome.reason}`, status: 0 } };
}
