import { HeaderList } from '@polygate/plugin-sdk';
import type { ConsumerMatch, RequestContext } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { callableUrl, HttpCaller, type HttpAnswer } from '../http-call.ts';
import { pause } from '../pause.ts';
import { encodeArguments } from '../uri-encoding.ts';

type Json = Readonly<Record<string, unknown>>;

const TRIES_MAX = 3;
const PAUSE_MS = 100;
const CHECK_TIMEOUT_MS = 10_000;
const CALL_TIMEOUT_MS = 5_000;
const KEEP_ALIVE = { idleMs: 60_000, connectionsMax: 30 };

/** Confs are the consumers', so no conf's end is heard of: these live as long as the process. */
const callers = new Map<string, HttpCaller>();

function callerOf(verifyTls: boolean, timeoutMs: number): HttpCaller {
  const key = `${verifyTls} ${timeoutMs}`;
  const known = callers.get(key);
  if (known !== undefined) return known;
  const made = new HttpCaller({ timeoutMs, verifyTls, keepAlive: KEEP_ALIVE });
  callers.set(key, made);
  return made;
}

export interface WolfCall {
  readonly consumer: ConsumerMatch;
  readonly method: 'GET' | 'POST';
  /** Behind `server`, with its query. */
  readonly path: string;
  readonly wolfToken?: string;
  readonly body?: unknown;
}

export interface Permission {
  readonly status: number;
  /** Why not; undefined where the server does not say. */
  readonly reason: string | undefined;
  readonly user: Json | undefined;
}

/** May this user do that? Asks up to three times while the server has an accident. Never rejects. */
export async function checkPermission(
  ctx: RequestContext,
  consumer: ConsumerMatch,
  { appid, wolfToken }: { readonly appid: string; readonly wolfToken: string },
): Promise<Permission> {
  const query = encodeArguments({
    appID: appid,
    resName: ctx.vars.get('uri') ?? ctx.request.path,
    action: ctx.request.method,
    clientIP: ctx.client.address,
  });
  const path = `/wolf/rbac/access_check?${query}`;
  const call: WolfCall = { consumer, method: 'GET', path, wolfToken };
  try {
    let answer = await send(ctx, call, CHECK_TIMEOUT_MS);
    for (let tries = 1; answer.status >= 500 && tries < TRIES_MAX; tries++) {
      await pause(PAUSE_MS, ctx.signal);
      answer = await send(ctx, call, CHECK_TIMEOUT_MS);
    }
    return permissionOf(answer);
  } catch (error) {
    return failure(`request to wolf-server failed, err:${(error as Error).message}`);
  }
}

function permissionOf({ status, body }: HttpAnswer): Permission {
  if (status >= 500) return failure(`request to wolf-server failed, status:${status}`);
  const parsed = parseObject(body);
  if (parsed === undefined) {
    const reason = 'check permission failed! parse response json failed!';
    // APISIX lets the request pass here if the status is 200: whatever sent this is no wolf-server
    return { status: status === 200 ? 500 : status, reason, user: undefined };
  }
  const { data, reason } = parsed;
  const user = isObject(data) && isObject(data['userInfo']) ? data['userInfo'] : undefined;
  return { status, reason: typeof reason === 'string' ? reason : undefined, user };
}

function failure(reason: string): Permission {
  return { status: 500, reason, user: undefined };
}

/** `refused`: the server did what it was asked, and said no. */
export type WolfAnswer = { readonly data: Json } | { readonly refused: boolean };

/** One of the calls of an endpoint. What went wrong is in the log. */
export async function callWolf(ctx: RequestContext, call: WolfCall): Promise<WolfAnswer> {
  const fail = (why: string, refused: boolean): WolfAnswer => {
    const [endpoint] = call.path.split('?');
    ctx.log.error(`request to wolf-server [${call.method} ${endpoint}] failed! ${why}`);
    return { refused };
  };
  let answer: HttpAnswer;
  try {
    answer = await send(ctx, call, CALL_TIMEOUT_MS);
  } catch (error) {
    return fail(`err: ${(error as Error).message}`, false);
  }
  if (answer.status !== 200) return fail(`status: ${answer.status}`, false);
  const parsed = parseObject(answer.body);
  if (parsed === undefined) return fail('err: no JSON', false);
  const { ok, reason, data } = parsed;
  if (ok === undefined || ok === null || ok === false) {
    return fail(`reason: ${typeof reason === 'string' ? reason : 'none'}`, true);
  }
  return { data: isObject(data) ? data : {} };
}

async function send(ctx: RequestContext, call: WolfCall, timeoutMs: number): Promise<HttpAnswer> {
  const { server, ssl_verify: verifyTls } = call.consumer.authConf;
  const url = callableUrl(`${String(server)}${call.path}`);
  if (url === undefined) throw new Error('bad uri');
  const headers = HeaderList.fromRaw(['Content-Type', 'application/json; charset=utf-8']);
  if (call.wolfToken !== undefined) headers.set('x-rbac-token', headerValue(call.wolfToken));
  const { method } = call;
  const body = method === 'POST' ? JSON.stringify(call.body ?? null) : undefined;
  const request = { url, method, headers, isRepeatable: true, ...(body !== undefined && { body }) };
  return callerOf(verifyTls === true, timeoutMs).call(request, ctx.signal);
}

function parseObject(body: Buffer): Json | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    return isObject(value) ? value : undefined;
  } catch {
    // no JSON: the caller says so
    return undefined;
  }
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
