import { call } from '../outcome.ts';
import type { Answer, Outcome } from '../outcome.ts';
import type { Row } from '../rows.ts';

const UPSTREAM_HEADERS = ['x-set', 'x-gone', 'x-kept'];

/** What the upstream saw, beside the status. */
function asUpstream({ status, seen }: Answer): Outcome {
  const { pathname, searchParams } = new URL(seen?.uri ?? '/nowhere', 'http://upstream.test');
  return { status, pathname, args: [...searchParams].map((pair) => pair.join('=')) };
}

async function askWithHeaders(url: string): Promise<Outcome> {
  const headers = { 'X-Set': 'old', 'X-Gone': 'still here', 'X-Kept': 'kept' };
  const { status, seen } = await call(url, { headers });
  const entries = UPSTREAM_HEADERS.map((name) => [name, seen?.headers[name]] as const);
  return { status, ...Object.fromEntries(entries) };
}

/** What a runner changes of a request that goes on. */
export const ROWS_OF_REWRITES = {
  'rewrites the path and keeps the query': {
    conf: [{ path: '/new/path' }],
    ask: async (url) => asUpstream(await call(`${url}?a=1`)),
    outcome: { status: 200, pathname: '/new/path', args: ['a=1'] },
  },
  'sets a header in the place of the one there was': {
    conf: [{ set_headers: { 'X-Set': 'new value' } }],
    ask: askWithHeaders,
    outcome: { status: 200, 'x-set': 'new value', 'x-gone': 'still here', 'x-kept': 'kept' },
  },
  'removes a header': {
    conf: [{ set_headers: { 'X-Gone': '' } }],
    ask: askWithHeaders,
    outcome: { status: 200, 'x-set': 'old', 'x-gone': undefined, 'x-kept': 'kept' },
  },
  'sets one argument and removes another': {
    conf: [{ set_args: { a: 'b c', gone: '' } }],
    ask: async (url) => asUpstream(await call(`${url}?a=1&gone=2&kept=3`)),
    outcome: {
      status: 200,
      pathname: '/sets-one-argument-and-removes-another',
      args: ['a=b c', 'kept=3'],
    },
  },
  'leaves repeated and empty arguments alone': {
    conf: [{ set_args: { new: '1' } }],
    ask: async (url) => {
      const { status, args } = asUpstream(await call(`${url}?twice=1&twice=2&empty=`));
      return { status, args: (args as string[]).sort() };
    },
    outcome: { status: 200, args: ['empty=', 'new=1', 'twice=1', 'twice=2'] },
  },
  'leaves an argument without value alone': {
    conf: [{ set_args: { new: '1' } }],
    // Python does not answer, and keeps the connection until it collects its garbage
    options: { failure_policy: { timeout_ms: 5000 } },
    ask: async (url) => {
      const { status, args } = asUpstream(await call(`${url}?bare`));
      return { status, args: (args as string[]).sort() };
    },
    outcome: { status: 200, args: ['bare=', 'new=1'] },
  },
  'replaces the body of a request': {
    conf: [{ body: 'other' }],
    ask: async (url) => {
      const { status, seen } = await call(url, { method: 'POST', body: 'a body' });
      return { status, bodyBytes: seen?.bodyBytes };
    },
    outcome: { status: 200, bodyBytes: 5 },
  },
  'sets a header of the answer to a request that goes on': {
    conf: [{ response_headers: { 'X-By-Runner': 'yes' } }],
    ask: async (url) => {
      const { status, headers, seen } = await call(url);
      return { status, header: headers.get('x-by-runner'), isFromUpstream: seen !== undefined };
    },
    outcome: { status: 200, header: 'yes', isFromUpstream: true },
  },
  'reads variables': {
    conf: [{ vars: ['remote_addr', 'arg_a', 'route_id', 'no_such_variable'] }],
    ask: async (url) => {
      const { status, seen } = await call(`${url}?a=one`);
      const value = (name: string) => seen?.headers[`x-var-${name}`];
      return {
        ...{ status, remote_addr: value('remote_addr'), arg_a: value('arg_a') },
        ...{ route_id: value('route_id'), absent: value('no_such_variable') ?? '' },
      };
    },
    outcome: {
      ...{ status: 200, remote_addr: '127.0.0.1', arg_a: 'one' },
      ...{ route_id: 'reads-variables', absent: '' },
    },
  },
} satisfies Readonly<Record<string, Row>>;
