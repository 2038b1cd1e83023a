import { BlockList } from 'node:net';
import {
  decodeHttpReqCallResponse,
  decodeHttpRespCallRequest,
  decodeHttpRespCallResponse,
  encodeHttpReqCallRequest,
  encodeHttpReqCallResponse,
  encodeHttpRespCallRequest,
  encodeHttpRespCallResponse,
  viewHttpReqCallRequest,
} from '@polygate/runner-protocol';
import type { RewriteAction, TextEntry } from '@polygate/runner-protocol';
import type { GatewayCall } from './call/call-answers.ts';
import { CalledRequest } from './call/called-request.ts';
import { CalledResponse } from './call/called-response.ts';
import type { AnyExternalPlugin } from './external-plugin.ts';
import { PluginSet } from './plugin-set.ts';
import { runRequestPlugins, runResponsePlugins } from './call/run-plugins.ts';
import { stderrLog, type RunnerLog } from './runner-log.ts';

// For the tests of plugins: everything but the socket is what runs in production, bytes included.

type Fields = Readonly<Record<string, string | readonly string[]>>;

interface TestCall {
  /** As in the gateway's configuration: a text, or what becomes JSON. None: an empty text. */
  readonly conf?: unknown;
  /** What the gateway answers when the plugin asks; all others there are not. */
  readonly variables?: Readonly<Record<string, string>>;
  readonly log?: RunnerLog;
}

export interface TestRequestOptions extends TestCall {
  /** GET. */
  readonly method?: string;
  /** `/`. */
  readonly path?: string;
  readonly args?: Fields;
  readonly headers?: Fields;
  /** 127.0.0.1. */
  readonly remoteAddress?: string;
  readonly body?: string | Uint8Array;
}

export interface TestResponseOptions extends TestCall {
  /** 200. */
  readonly status?: number;
  readonly headers?: Fields;
  readonly body?: string | Uint8Array;
}

/** Names in lower case; a value per occurrence. */
type Values = Readonly<Record<string, readonly string[]>>;

export interface TestReply {
  readonly status: number;
  readonly headers: Values;
  readonly body: string;
}

export interface TestRequestOutcome {
  /** What the client gets at once; undefined: the request goes on. */
  readonly reply: TestReply | undefined;
  /** What the upstream gets; undefined where there is a reply. */
  readonly upstream:
    | {
        readonly method: string;
        readonly path: string;
        readonly args: Values;
        readonly headers: Values;
        readonly body: string;
      }
    | undefined;
  /** Set on the response of a request that goes on. */
  readonly responseHeaders: Values;
}

/**
 * Shows a request to a plugin's `request`, without a gateway, and says what would come of it.
 * Rejects as the runner would answer with an error: for a bad conf, and where the plugin throws
 * (the error is the cause).
 */
export async function testRequest(
  plugin: AnyExternalPlugin,
  options: TestRequestOptions = {},
): Promise<TestRequestOutcome> {
  const sent = {
    id: 1,
    srcIp: addressBytes(options.remoteAddress ?? '127.0.0.1'),
    method: options.method ?? 'GET',
    path: options.path ?? '/',
    args: entriesOf(options.args),
    headers: entriesOf(options.headers),
    confToken: 1,
  };
  const view = viewHttpReqCallRequest(encodeHttpReqCallRequest(sent));
  const body = Buffer.from(options.body ?? '');
  const request = new CalledRequest(view, callOf(options, body), Infinity);
  const decided = await runRequestPlugins(request, preparedOf(plugin, options.conf));
  const { action } = decodeHttpReqCallResponse(
    encodeHttpReqCallResponse({ id: 1, action: decided }),
  );
  if (action.kind === 'stop') {
    const { status, headers } = action;
    const reply = { status, headers: valuesOf(headers, true), body: textOf(action.body) };
    return { reply, upstream: undefined, responseHeaders: {} };
  }
  const change = action.kind === 'rewrite' ? action : NO_CHANGE;
  const upstream = {
    method: sent.method,
    path: change.path ?? sent.path,
    args: replaced(valuesOf(sent.args, false), valuesOf(change.args, false)),
    headers: replaced(valuesOf(sent.headers, true), valuesOf(change.headers, true)),
    body: textOf(change.body.length > 0 ? change.body : body),
  };
  return { reply: undefined, upstream, responseHeaders: valuesOf(change.respHeaders, true) };
}

/** The same for `response`: what the client gets. */
export async function testResponse(
  plugin: AnyExternalPlugin,
  options: TestResponseOptions = {},
): Promise<TestReply> {
  const status = options.status ?? 200;
  const sent = { id: 1, status, headers: entriesOf(options.headers), confToken: 1 };
  const decoded = decodeHttpRespCallRequest(encodeHttpRespCallRequest(sent));
  const body = Buffer.from(options.body ?? '');
  const response = new CalledResponse(decoded, callOf(options, body), Infinity);
  const decided = await runResponsePlugins(response, preparedOf(plugin, options.conf));
  const reply = decodeHttpRespCallResponse(encodeHttpRespCallResponse(decided));
  return {
    status: reply.status === 0 ? status : reply.status,
    headers: valuesOf(reply.headers, true),
    body: textOf(reply.body.length > 0 ? reply.body : body),
  };
}

const NO_CHANGE: RewriteAction = {
  kind: 'rewrite',
  headers: [],
  args: [],
  respHeaders: [],
  body: Buffer.alloc(0),
};

function preparedOf(plugin: AnyExternalPlugin, conf: unknown) {
  const value = typeof conf === 'string' ? conf : conf === undefined ? '' : JSON.stringify(conf);
  return new PluginSet([plugin]).prepare([{ name: plugin.name, value }]);
}

function callOf(options: TestCall, body: Buffer): GatewayCall {
  return {
    signal: new AbortController().signal,
    log: options.log ?? stderrLog,
    labelled: undefined,
    variable: (name) => {
      const { variables } = options;
      const value = variables !== undefined && Object.hasOwn(variables, name) && variables[name];
      return Promise.resolve(typeof value === 'string' ? Buffer.from(value) : undefined);
    },
    requestBody: () => Promise.resolve(body),
    responseBody: () => Promise.resolve(body),
  };
}

function entriesOf(fields: Fields | undefined): TextEntry[] {
  return Object.entries(fields ?? {}).flatMap(([name, value]) =>
    (typeof value === 'string' ? [value] : value).map((one) => ({ name, value: one })),
  );
}

/** An entry without value makes an empty list. */
function valuesOf(entries: readonly TextEntry[], ignoresCase: boolean): Values {
  const values = new Map<string, string[]>();
  for (const { name, value } of entries) {
    const key = ignoresCase ? name.toLowerCase() : name;
    const known = values.get(key) ?? [];
    values.set(key, value === undefined ? known : [...known, value]);
  }
  return Object.fromEntries(values);
}

function replaced(before: Values, changes: Values): Values {
  const after = Object.entries({ ...before, ...changes });
  return Object.fromEntries(after.filter(([, values]) => values.length > 0));
}

function textOf(body: Uint8Array): string {
  return Buffer.from(body).toString('utf8');
}

/** 4 or 16 bytes. @throws {TypeError} where the text is no address */
function addressBytes(text: string): Uint8Array {
  const family = text.includes(':') ? 'ipv6' : 'ipv4';
  new BlockList().addAddress(text, family);
  if (family === 'ipv4') return Uint8Array.from(text.split('.'), Number);
  const [head = '', tail = ''] = new URL(`http://[${text}]`).hostname.slice(1, -1).split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array<string>(missing).fill('0'), ...groups(tail)];
  return Uint8Array.from(
    all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]),
  );
}
