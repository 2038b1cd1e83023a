import { definePlugin, HeaderList } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { callableUrl, HttpCaller } from '../http-call.ts';
import { definition, type OpaConf } from './opa.schema.ts';
import { policyInput } from './policy-input.ts';

interface Prepared {
  readonly conf: OpaConf;
  /** Undefined: it is none that can be called, and every call fails. */
  readonly url: URL | undefined;
  readonly caller: HttpCaller;
}

/** What a policy decided; each field as the policy wrote it. */
interface Decision {
  readonly allow?: unknown;
  readonly headers?: unknown;
  readonly status_code?: unknown;
  readonly reason?: unknown;
}

/** Asks a policy of an OPA server. Without a decision nothing passes. */
export default definePlugin<OpaConf, Prepared>(definition, {
  prepare: (conf) => ({
    conf,
    url: callableUrl(`${conf.host}/v1/data/${conf.policy}`),
    caller: new HttpCaller({
      timeoutMs: conf.timeout,
      verifyTls: conf.ssl_verify,
      keepAlive: conf.keepalive
        ? { idleMs: conf.keepalive_timeout, connectionsMax: conf.keepalive_pool }
        : undefined,
    }),
  }),

  dispose({ caller }) {
    caller.close();
  },

  async access(ctx, prepared) {
    const body = await ask(ctx, prepared);
    if (body === undefined) return { status: 403 };
    const decision = parseDecision(body);
    if (typeof decision === 'string') {
      ctx.log.error(decision);
      return { status: 503 };
    }
    const headers = headersOf(decision.headers);
    if (!holds(decision.allow)) return refusal(decision, headers);
    for (const name of prepared.conf.send_headers_upstream ?? []) {
      // also one that the decision lacks: the client's own value must not pass for the policy's
      ctx.request.headers.set(name, headers[name] ?? []);
    }
    return undefined;
  },
});

async function ask(
  ctx: RequestContext,
  { conf, url, caller }: Prepared,
): Promise<string | undefined> {
  try {
    if (url === undefined) throw new Error(`bad uri: ${conf.host}`);
    const headers = HeaderList.fromRaw(['Content-Type', 'application/json']);
    const body = JSON.stringify(policyInput(ctx, conf));
    const request = { url, method: 'POST', headers, body, isRepeatable: true } as const;
    return (await caller.call(request, ctx.signal)).body.toString();
  } catch (error) {
    ctx.log.error(`failed to process OPA decision, err: ${(error as Error).message}`);
    return undefined;
  }
}

function parseDecision(body: string): Decision | string {
  let data: unknown;
  try {
    data = JSON.parse(body);
  } catch (error) {
    return `invalid response body: ${(error as Error).message}`;
  }
  const result = isObject(data) ? data['result'] : undefined;
  return isObject(result)
    ? result
    : 'invalid OPA decision format: `result` field does not exist or is no object';
}

/** As Lua has it, where all but `false` and nothing hold; but `null` is nothing here. */
function holds(allow: unknown): boolean {
  return allow !== undefined && allow !== null && allow !== false;
}

function refusal(
  { status_code: status, reason }: Decision,
  headers: NonNullable<LocalReply['headers']>,
): LocalReply {
  const isStatus = typeof status === 'number' && Number.isInteger(status);
  const reply = { status: isStatus && status >= 200 && status <= 599 ? status : 403, headers };
  if (reason === undefined || reason === null || reason === false) return reply;
  return { ...reply, body: typeof reason === 'string' ? reason : JSON.stringify(reason) };
}

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

function headersOf(headers: unknown): Record<string, string[]> {
  if (!isObject(headers)) return {};
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => HEADER_NAME.test(name))
      .map(([name, value]) => [name, textsOf(value)]),
  );
}

function textsOf(value: unknown): string[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  return values
    .filter((one) => ['string', 'number', 'boolean'].includes(typeof one))
    .map((one) => headerValue(String(one)));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
