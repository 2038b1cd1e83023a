import net from 'node:net';
import tls from 'node:tls';
import type { ProbeSettings, Target } from './check-settings.ts';
import type { Outcome } from './target-state.ts';

/** Of a status line; more is no HTTP. */
const LINE_BYTES_MAX = 8192;
const STATUS_LINE = /^HTTP\/\d+\.\d+\s+(\d+)/i;
const LINE_BREAKS = /[\r\n]+/g;

export interface ProbeOptions {
  readonly settings: ProbeSettings;
  /** PEM of the authorities that https nodes are verified with; undefined: the system's. */
  readonly authorities: readonly string[] | undefined;
  /** Of nodes that are names; undefined: the system's. */
  readonly lookup?: net.LookupFunction | undefined;
}

/**
 * Asks a node how it is: `run_single_check` of lua-resty-healthcheck. `onOutcome` is called once.
 * Returns what ends it early, after which nothing is called.
 */
export function probe(
  target: Target,
  { settings, authorities, lookup }: ProbeOptions,
  onOutcome: (outcome: Outcome) => void,
): () => void {
  const { type, timeoutMs } = settings;
  let isOver = false;
  let timer: NodeJS.Timeout | undefined;
  let received = '';
  const plain = net.connect({
    host: target.ip,
    port: target.port,
    ...(lookup !== undefined && { lookup }),
  });
  let socket: net.Socket = plain;

  const finish = (outcome: Outcome | undefined): void => {
    if (isOver) return;
    isOver = true;
    clearTimeout(timer);
    socket.destroy();
    plain.destroy();
    if (outcome !== undefined) onOutcome(outcome);
  };
  // each step has the whole time, as a cosocket has
  const nextStep = (): void => {
    clearTimeout(timer);
    timer = setTimeout(() => finish({ kind: 'timeout' }), timeoutMs);
  };
  const ask = (): void => {
    nextStep();
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const end = received.indexOf('\n');
      if (end === -1 && received.length < LINE_BYTES_MAX) return;
      finish({ kind: 'status', status: Number(STATUS_LINE.exec(received)?.[1] ?? 0) });
    });
    socket.write(requestText(target, settings), 'latin1');
  };

  nextStep();
  // Also after the end: a socket that is destroyed may still fail.
  plain.on('error', () => finish({ kind: 'tcp' }));
  plain.on('close', () => finish({ kind: 'tcp' }));
  plain.once('connect', () => {
    if (type === 'tcp') finish({ kind: 'success' });
    else if (type === 'http') ask();
    else {
      // A handshake that takes too long counts as a failure, not as a timeout.
      clearTimeout(timer);
      timer = setTimeout(() => finish({ kind: 'tcp' }), timeoutMs);
      socket = secure(plain, target, settings, authorities);
      socket.on('error', () => finish({ kind: 'tcp' }));
      socket.once('secureConnect', ask);
    }
  });
  return () => finish(undefined);
}

function secure(
  socket: net.Socket,
  { hostHeader }: Target,
  { verifyCertificate }: ProbeSettings,
  authorities: readonly string[] | undefined,
): tls.TLSSocket {
  const name = hostHeader.replace(/:\d+$/, '');
  return tls.connect({
    socket,
    host: name,
    // an address is no server name
    ...(net.isIP(name) === 0 ? { servername: name } : {}),
    rejectUnauthorized: verifyCertificate,
    ...(authorities === undefined ? {} : { ca: [...authorities] }),
  });
}

function requestText({ hostHeader }: Target, settings: ProbeSettings): string {
  const { method, path, headers, body } = settings;
  const bytes = Buffer.from(body);
  const lines = [
    `${method} ${path} HTTP/1.1`,
    'Connection: close',
    ...headers,
    ...(bytes.length === 0 ? [] : [`Content-Length: ${bytes.length}`]),
    `Host: ${hostHeader.includes(':') && net.isIPv6(hostHeader) ? `[${hostHeader}]` : hostHeader}`,
  ];
  // A line of the configuration is one line here, whatever stands in it.
  const head = lines.map((line) => line.replace(LINE_BREAKS, ' ')).join('\r\n');
  return `${head}\r\n\r\n${bytes.toString('latin1')}`;
}
