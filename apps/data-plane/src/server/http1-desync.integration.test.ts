import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, runGateway } from '../gateway.harness.ts';
import type { RunningGateway } from '../gateway.harness.ts';
import { DESYNC_SHAPES } from '../http1/desync-shapes.ts';
import type { DesyncShape } from '../http1/desync-shapes.ts';
import { connectRaw, startRawNode, startScriptedNode, upstreamOf } from './http1.harness.ts';
import type { RawNode } from './http1.harness.ts';

const AT_ONCE = 16;
const requests = DESYNC_SHAPES.filter(({ side }) => side === 'request');
const responses = DESYNC_SHAPES.filter(({ side }) => side === 'response');

let gateway: RunningGateway;
/** Takes everything, answers nothing. */
let witness: RawNode;
/** Answers `/hostile/7` with the seventh response shape, `/hostile/7/b` with it byte by byte. */
let hostile: RawNode;

beforeAll(async () => {
  gateway = await runGateway({});
  witness = await startRawNode(() => undefined);
  hostile = await startScriptedNode((_, head, { socket }) => {
    const [, index, manner] = /^GET \/hostile\/(\d+)(\/b)? /.exec(head) ?? [];
    const bytes = Buffer.from(responses[Number(index)]?.bytes ?? '', 'latin1');
    if (manner === undefined) socket.write(bytes);
    else void writeBytewise(bytes, (byte) => !socket.destroyed && socket.write(byte));
    return undefined;
  });
  await gateway.put('/routes/all', { uri: '/*', upstream: upstreamOf(witness.node) });
  const { node } = hostile;
  await gateway.put('/routes/hostile', { uri: '/hostile/*', upstream: upstreamOf(node) });
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([witness.close(), hostile.close()]);
});

async function writeBytewise(bytes: Buffer, write: (byte: Buffer) => boolean): Promise<void> {
  for (const byte of bytes) {
    if (!write(Buffer.of(byte))) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Runs the check for all, a few at a time; what is wrong comes back as text. */
async function problemsOf(
  shapes: readonly DesyncShape[],
  check: (shape: DesyncShape, index: number) => Promise<string | undefined>,
): Promise<string[]> {
  const problems: string[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    for (let i = next++; i < shapes.length; i = next++) {
      const shape = shapes[i] as DesyncShape;
      const problem = await check(shape, i).catch((error: unknown) => String(error));
      if (problem !== undefined) problems.push(`${shape.name}: ${problem}`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return problems;
}

describe.each([{ manner: 'whole' }, { manner: 'byte by byte' }])('sent $manner', ({ manner }) => {
  const isWhole = manner === 'whole';

  test('every ambiguous request is refused as it should be, and its connection closed', async () => {
    const problems = await problemsOf(requests, async ({ bytes, expected }) => {
      const client = await connectRaw(gateway.port);
      try {
        if (isWhole) client.send(bytes);
        else await client.sendBytewise(bytes);
        const { status, headers } = await client.reply();
        if (status !== expected) return `was answered ${status}, not ${expected}`;
        if (headers.get('connection') !== 'close') return 'was not told that this is the end';
        await client.ended();
        return client.text === '' ? undefined : `was answered twice: ${client.text}`;
      } finally {
        client.socket.destroy();
      }
    });
    expect(problems).toEqual([]);
    // What had a right head may have arrived in part. Nothing of it is whole, and nothing follows it.
    await eventually(() => witness.connections.every(({ isClosed }) => isClosed));
    for (const text of witness.connections.map((one) => one.text).filter((all) => all !== '')) {
      expect(text).toMatch(/^POST \/ HTTP\/1\.1\r\n/);
      expect(text).toMatch(/\r\nTransfer-Encoding: chunked\r\n/);
      expect(text).not.toMatch(/smuggled|\r\n0\r\n/);
    }
  });

  test('every ambiguous response is a 502, and nothing of it gets to the client', async () => {
    const problems = await problemsOf(responses, async ({ part }, index) => {
      const client = await connectRaw(gateway.port);
      try {
        client.send(`GET /hostile/${index}${isWhole ? '' : '/b'} HTTP/1.1\r\nHost: a\r\n\r\n`);
        if (part === 'body') {
          // The head was right and is out: what must not happen is that the answer looks whole.
          await client.ended();
          return client.text.includes('\r\n0\r\n') ? 'looks whole' : undefined;
        }
        const { status, head, body } = await client.reply();
        if (status !== 502) return `was answered ${status}`;
        return /\nX:/.test(head) || body.includes('hello') ? 'shows through' : undefined;
      } finally {
        client.socket.destroy();
      }
    });
    expect(problems).toEqual([]);
    await eventually(() => hostile.connections.every(({ isClosed }) => isClosed));
  });
});
