import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

/** However slow a client is: nothing may take longer. Far over all the gateway's limits. */
const LIFE_MS_MAX = 20_000;

/** A connection of which every byte is the caller's. */
export interface RawClient {
  readonly socket: Socket;
  /** Statuses of the answers that have begun to arrive, 1xx left out, in order. */
  readonly statuses: readonly number[];
  /** Body and head bytes. */
  readonly bytesReceived: number;
  /** Resolves when all is handed to the kernel, or the connection is gone. */
  send(text: string | Buffer): Promise<void>;
  /** Until so many answers have begun, or the connection has ended. */
  untilAnswered(count: number): Promise<void>;
  untilClosed(): Promise<void>;
  readonly isClosed: boolean;
  reset(): void;
  close(): void;
}

export async function openRaw(url: string): Promise<RawClient> {
  const { protocol, hostname, port } = new URL(url);
  const isTls = protocol === 'https:';
  // below TLS, as only that can be reset
  const wire = connect(Number(port), isTls ? '127.0.0.1' : hostname);
  wire.on('error', () => undefined);
  // the certificate is the soak's own
  const tls = { socket: wire, servername: hostname, rejectUnauthorized: false };
  const socket = isTls ? connectTls(tls) : wire;
  const statuses: number[] = [];
  const readStatuses = statusReader(statuses);
  let bytesReceived = 0;
  let isClosed = false;
  const waiting = new Set<() => void>();
  const changed = (): void => waiting.forEach((look) => look());
  socket.on('data', (chunk: Buffer) => {
    bytesReceived += chunk.length;
    readStatuses(chunk);
    changed();
  });
  socket.on('error', () => undefined);
  const life = setTimeout(() => socket.destroy(), LIFE_MS_MAX);
  socket.on('close', () => {
    isClosed = true;
    clearTimeout(life);
    changed();
  });
  const until = (holds: () => boolean): Promise<void> =>
    new Promise((resolve) => {
      const look = (): void => {
        if (!holds() && !isClosed) return;
        waiting.delete(look);
        resolve();
      };
      waiting.add(look);
      look();
    });
  let isOpen = false;
  socket.once(isTls ? 'secureConnect' : 'connect', () => ((isOpen = true), changed()));
  await until(() => isOpen);
  return {
    socket,
    statuses,
    get bytesReceived() {
      return bytesReceived;
    },
    get isClosed() {
      return isClosed;
    },
    async send(text) {
      if (isClosed || !socket.writable) return;
      let isWritten = false;
      socket.write(text, () => ((isWritten = true), changed()));
      await until(() => isWritten);
    },
    untilAnswered: (count) => until(() => statuses.length >= count),
    untilClosed: () => until(() => false),
    reset() {
      wire.resetAndDestroy();
      socket.destroy();
    },
    close() {
      socket.destroy();
      wire.destroy();
    },
  };
}

/** Appends the status of each answer, 1xx excepted. */
function statusReader(statuses: number[]): (chunk: Buffer) => void {
  let carried = '';
  return (chunk) => {
    // a status line may be cut in two; no body of the upstream looks like one
    const text = carried + chunk.toString('latin1');
    let lastEnd = 0;
    for (const match of text.matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
      lastEnd = match.index + match[0].length;
      const status = Number(match[1]);
      if (status >= 200) statuses.push(status);
    }
    carried = text.slice(Math.max(lastEnd, text.length - 12));
  };
}

/** In pieces with a pause between; stops when the connection is gone. */
export async function sendSlowly(
  client: RawClient,
  text: string,
  { pieces, pauseMs }: { pieces: number; pauseMs: number },
): Promise<void> {
  const size = Math.ceil(text.length / pieces);
  for (let at = 0; at < text.length && !client.isClosed; at += size) {
    await client.send(text.slice(at, at + size));
    await sleep(pauseMs);
  }
}
