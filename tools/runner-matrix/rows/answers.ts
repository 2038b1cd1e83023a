import { call } from '../outcome.ts';
import type { Outcome } from '../outcome.ts';
import type { Row } from '../rows.ts';

async function askForResponse(url: string): Promise<Outcome> {
  const { status, headers, body, seen } = await call(url);
  const text = body.toString();
  const end = seen === undefined ? '' : text.slice(text.lastIndexOf('}') + 1);
  return { status, header: headers.get('x-by-runner'), end, isFromUpstream: seen !== undefined };
}

/** Answers that a runner gives itself, or changes on their way to the client. */
export const ROWS_OF_ANSWERS = {
  'stops with status, headers and body': {
    conf: [
      { stop_status: 418, stop_headers: { 'X-Why': 'tea', 'X-More': 'a, b' }, stop_body: 'no é' },
    ],
    ask: async (url) => {
      const { status, headers, body } = await call(url);
      const [why, more] = [headers.get('x-why'), headers.get('x-more')];
      return { status, why, more, body: body.toString() };
    },
    outcome: { status: 418, why: 'tea', more: 'a, b', body: 'no é' },
  },
  'stops with a body of 1 MB': {
    conf: [{ stop_status: 200, stop_bytes: 1_000_000 }],
    ask: async (url) => {
      const { status, body } = await call(url);
      return { status, isWhole: body.equals(Buffer.alloc(1_000_000, 'x')) };
    },
    outcome: { status: 200, isWhole: true },
  },
  'runs no plugin after one that stops': {
    conf: [
      { stop_status: 403, stop_body: 'first' },
      { stop_status: 404, stop_body: 'second' },
    ],
    ask: async (url) => {
      const { status, body } = await call(url);
      return { status, body: body.toString() };
    },
    outcome: { status: 403, body: 'first' },
  },
  'runs the plugins of a conf one after another': {
    conf: [
      { set_headers: { 'X-Set': 'first', 'X-Once': 'first' } },
      { set_headers: { 'X-Set': 'second' } },
    ],
    ask: async (url) => {
      const { status, seen } = await call(url);
      return { status, set: seen?.headers['x-set'], once: seen?.headers['x-once'] };
    },
    outcome: { status: 200, set: 'second', once: 'first' },
  },
  // 16 MiB is where the length of a frame ends; the limits of all runners but ours let it through
  'has an answer of 17 MB refused': {
    conf: [{ stop_status: 200, stop_bytes: 17_000_000 }],
    ask: async (url) => ({ status: (await call(url)).status }),
    outcome: { status: 503 },
    isAlone: true,
  },
  'changes status and headers of a response': {
    plugin: 'ext-plugin-post-resp',
    isAlone: true,
    conf: [{ status: 207, response_headers: { 'X-By-Runner': 'yes' } }],
    ask: async (url) => {
      const { status, headers, body } = await call(url);
      return { status, header: headers.get('x-by-runner'), hasBody: body.length > 0 };
    },
    outcome: { status: 207, header: 'yes', hasBody: true },
  },
  'reads and changes the body of a response': {
    plugin: 'ext-plugin-post-resp',
    isAlone: true,
    conf: [{ append_body: 'and é' }],
    ask: askForResponse,
    outcome: { status: 200, header: null, end: 'and é', isFromUpstream: true },
  },
  'leaves a response alone that it has no wish for': {
    plugin: 'ext-plugin-post-resp',
    isAlone: true,
    conf: [{}],
    ask: askForResponse,
    outcome: { status: 200, header: null, end: '', isFromUpstream: true },
  },
} satisfies Readonly<Record<string, Row>>;
