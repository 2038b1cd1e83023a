import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { BEHAVIOUR_NAMES, KIND_BEHAVIOURS } from './hostile-upstream.ts';
import type { Ledger } from './ledger.ts';
import { openRaw, sendSlowly } from './raw-client.ts';
import type { RawClient } from './raw-client.ts';

export interface ActorOptions {
  /** Of the gateway, without a slash at the end; `https:` for TLS. */
  readonly url: string;
  readonly ledger: Ledger;
  readonly random: () => number;
}

/** One thing that a client does, from connecting to being gone. Never rejects for what a peer does. */
export type Actor = (options: ActorOptions) => Promise<void>;

const UPLOAD = 'u'.repeat(2000);
const ANSWER_MS_MAX = 15_000;

const request = (id: string, behaviour: string, headers: readonly string[] = []): string =>
  [
    `${headers.some((line) => line.startsWith('Content-Length')) ? 'POST' : 'GET'} ` +
      `/${behaviour}?soak=${id} HTTP/1.1`,
    'Host: soak.test',
    ...headers,
    '\r\n',
  ].join('\r\n');

const upload = (id: string, behaviour: string): string =>
  request(id, behaviour, [`Content-Length: ${UPLOAD.length}`]);

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)] as T;
}

/** Notes what answers came for requests sent one after the other. */
function note(client: RawClient, ids: readonly string[], ledger: Ledger): void {
  ids.forEach((id, i) => {
    const status = client.statuses[i];
    if (status !== undefined) ledger.answered(id, status);
  });
}

async function withRaw(
  { url, ledger }: ActorOptions,
  act: (client: RawClient, newId: () => string) => Promise<void>,
): Promise<void> {
  const client = await openRaw(url);
  const ids: string[] = [];
  try {
    await act(client, () => {
      const id = ledger.newId();
      ids.push(id);
      return id;
    });
  } finally {
    note(client, ids, ledger);
    client.close();
  }
}

/** Kind ones get more turns: under attack the others must still be served. */
export const ACTORS: Readonly<Record<string, { readonly weight: number; readonly act: Actor }>> = {
  'kept open': { weight: 8, act: keptOpen },
  pipelined: { weight: 3, act: pipelined },
  upload: { weight: 3, act: uploads },
  'hostile upstream': { weight: 6, act: meetsHostileUpstream },
  'head drips': { weight: 2, act: headDrips },
  'head stalls': { weight: 1, act: headStalls },
  'body drips': { weight: 2, act: bodyDrips },
  'body stalls': { weight: 1, act: bodyStalls },
  'reads slowly': { weight: 1, act: readsSlowly },
  'does not read': { weight: 1, act: doesNotRead },
  'resets anywhere': { weight: 4, act: resetsAnywhere },
  malformed: { weight: 1, act: malformed },
};

async function keptOpen(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    const count = 1 + Math.floor(options.random() * 8);
    for (let i = 1; i <= count && !client.isClosed; i++) {
      await client.send(request(newId(), pick(['ok', 'chunked', 'drip'], options.random)));
      await client.untilAnswered(i);
      // the body, too: the next request comes after it
      await sleep(5 + options.random() * 20);
    }
  });
}

async function pipelined(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    const requests = Array.from({ length: 5 }, () =>
      request(newId(), pick(['ok', 'chunked'], options.random)),
    );
    await client.send(requests.join(''));
    await Promise.race([client.untilAnswered(5), sleep(ANSWER_MS_MAX)]);
  });
}

async function uploads(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    await client.send(`${upload(newId(), pick(['ok', 'early'], options.random))}${UPLOAD}`);
    await client.untilAnswered(1);
  });
}

async function meetsHostileUpstream(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    const behaviour = pick(BEHAVIOUR_NAMES, options.random);
    const id = newId();
    const isUpload = options.random() < 0.3;
    await client.send(isUpload ? `${upload(id, behaviour)}${UPLOAD}` : request(id, behaviour));
    await client.untilAnswered(1);
    // what comes of the body
    await Promise.race([client.untilClosed(), sleep(300)]);
  });
}

async function headDrips(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    await sendSlowly(client, request(newId(), 'ok'), { pieces: 20, pauseMs: 20 });
    await client.untilAnswered(1);
  });
}

async function headStalls(options: ActorOptions): Promise<void> {
  // has no id: it never becomes a request
  await withRaw(options, async (client) => {
    await client.send('GET /ok HTTP/1.1\r\nHost: soak');
    await client.untilClosed();
  });
}

async function bodyDrips(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    await client.send(upload(newId(), 'ok'));
    await sendSlowly(client, UPLOAD, { pieces: 20, pauseMs: 20 });
    await client.untilAnswered(1);
  });
}

async function bodyStalls(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    await client.send(upload(newId(), 'ok'));
    await client.send(UPLOAD.slice(0, 100));
    await client.untilClosed();
  });
}

async function readsSlowly(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    await client.send(request(newId(), 'large', ['Connection: close']));
    for (let i = 0; i < 20 && !client.isClosed; i++) {
      client.socket.pause();
      await sleep(40);
      client.socket.resume();
      await sleep(5);
    }
    await client.untilClosed();
  });
}

async function doesNotRead(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    client.socket.pause();
    const requests = Array.from({ length: 8 }, () => request(newId(), 'large'));
    await client.send(requests.join(''));
    // longer than the gateway's send timeout
    await sleep(6000);
    client.socket.resume();
    await Promise.race([client.untilClosed(), sleep(1000)]);
  });
}

async function resetsAnywhere(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client, newId) => {
    const id = newId();
    const isUpload = options.random() < 0.5;
    const behaviour = pick([...KIND_BEHAVIOURS, 'stall'], options.random);
    const whole = isUpload ? `${upload(id, behaviour)}${UPLOAD}` : request(id, behaviour);
    const cut = Math.floor(options.random() * (whole.length + 40));
    await client.send(whole.slice(0, cut));
    await sleep(options.random() * 60);
    client.reset();
  });
}

const MALFORMED: readonly string[] = [
  'GET /ok HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n',
  'GET /ok HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'GET /ok HTTP/1.1\r\n\r\n',
  'no request at all\r\n\r\n',
  `GET /${'x'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  `GET /ok HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`,
];

async function malformed(options: ActorOptions): Promise<void> {
  await withRaw(options, async (client) => {
    await client.send(pick(MALFORMED, options.random));
    await client.untilClosed();
  });
}

/** HTTP/2 with prior knowledge, or over TLS: several streams, some cancelled, some cut off. */
export async function http2Streams({ url, ledger, random }: ActorOptions): Promise<void> {
  const session = connectHttp2(url, { rejectUnauthorized: false });
  session.on('error', () => undefined);
  const streams = Array.from({ length: 6 }, () => oneStream(session, { ledger, random }));
  if (random() < 0.2) {
    await sleep(random() * 50);
    session.destroy();
  }
  await Promise.race([Promise.all(streams), sleep(ANSWER_MS_MAX)]);
  session.destroy();
}

function oneStream(
  session: ClientHttp2Session,
  { ledger, random }: Pick<ActorOptions, 'ledger' | 'random'>,
): Promise<void> {
  const id = ledger.newId();
  return new Promise((resolve) => {
    const path = `/${pick(BEHAVIOUR_NAMES, random)}?soak=${id}`;
    const stream = session.request({ ':path': path, ':authority': 'soak.test' });
    stream.on('response', (headers) => ledger.answered(id, headers[':status'] ?? 0));
    stream.on('error', () => undefined);
    stream.on('close', resolve);
    stream.resume();
    if (random() < 0.3) setTimeout(() => stream.close(8), random() * 100);
  });
}
