import { createHash, randomBytes } from 'node:crypto';
import { call } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { Row } from '../rows.ts';

/** Who saw the whole body: the plugin, and the upstream behind it. */
async function askWithBody(url: string, body: Buffer): Promise<Outcome> {
  const { status, seen } = await call(url, { method: 'POST', body: new Uint8Array(body) });
  const sha256 = createHash('sha256').update(body).digest('hex');
  const { 'x-body-bytes': bytes, 'x-body-sha256': told } = seen?.headers ?? {};
  const byRunner = Number(bytes) === body.length && told === sha256;
  return { status, byRunner, byUpstream: seen?.bodySha256 === sha256 };
}

/** A body of text, because not every runner knows another. */
function bodyRow(bytes: number) {
  return {
    conf: [{ digest_body: true }],
    ask: (url: string) => {
      const digits = randomBytes(Math.ceil(bytes / 2)).toString('hex');
      return askWithBody(url, Buffer.from(digits.slice(0, bytes)));
    },
    outcome: { status: 200, byRunner: true, byUpstream: true },
  };
}

export const ROWS_OF_BODIES = {
  'reads that there is no body': {
    conf: [{ digest_body: true }],
    ask: async (url) => {
      const { status, seen } = await call(url);
      return { status, bytes: seen?.headers['x-body-bytes'] };
    },
    outcome: { status: 200, bytes: '0' },
  },
  'reads a body of 1 B': bodyRow(1),
  'reads a body of 30 KB': bodyRow(30_000),
  'reads a body of 100 KB': bodyRow(100_000),
  'reads a body of 1 MB': bodyRow(1_000_000),
  'reads a body of 15 MB': { ...bodyRow(15_000_000), isAlone: true },
  'reads a body of all bytes there are': {
    conf: [{ digest_body: true }],
    ask: (url) => askWithBody(url, Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
    outcome: { status: 200, byRunner: true, byUpstream: true },
  },
} satisfies Readonly<Record<string, Row>>;
