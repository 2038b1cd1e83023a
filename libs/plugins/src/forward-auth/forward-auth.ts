import { definePlugin, HeaderList } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readBoundedBody } from '../bounded-body.ts';
import { callableUrl, HttpCaller, type HttpAnswer } from '../http-call.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { definition, type ForwardAuthConf } from './forward-auth.schema.ts';

interface Prepared {
  readonly conf: ForwardAuthConf;
  /** Undefined: it is none that can be called, and every call fails. */
  readonly url: URL | undefined;
  readonly caller: HttpCaller;
  readonly extraHeaders: readonly (readonly [string, VariableTemplate])[];
}

/** Asks a service whether the request may pass: any status below 300 says yes. */
export default definePlugin<ForwardAuthConf, Prepared>(definition, {
  prepare: (conf) => ({
    conf,
    url: callableUrl(conf.uri),
    caller: new HttpCaller({
      timeoutMs: conf.timeout,
      verifyTls: conf.ssl_verify,
      keepAlive: conf.keepalive
        ? { idleMs: conf.keepalive_timeout, connectionsMax: conf.keepalive_pool }
        : undefined,
    }),
    extraHeaders: Object.entries(conf.extra_headers ?? {}).map(
      ([name, value]) => [name, compileTemplate(value)] as const,
    ),
  }),

  dispose({ caller }) {
    caller.close();
  },

  async access(ctx, prepared) {
    const { conf } = prepared;
    let body: Buffer | undefined;
    if (conf.request_method === 'POST') {
      const read = await readBoundedBody(ctx.request, conf.max_req_body_size);
      if (typeof read === 'string') {
        ctx.log.error(`failed to read request body: ${read}`);
        return { status: 413 };
      }
      body = read;
    }
    const answer = await ask(ctx, prepared, body);
    if (answer === undefined) {
      return conf.allow_degradation ? undefined : { status: conf.status_on_error };
    }
    if (answer.status >= 300) return refusal(conf, answer);
    for (const name of conf.upstream_headers) {
      // also one that the answer lacks: the client's own value must not pass for the service's
      ctx.request.headers.set(name, answer.headers.getAll(name));
    }
    return undefined;
  },
});

/** Undefined when the service gives no answer, and a line in the log says why. */
async function ask(
  ctx: RequestContext,
  prepared: Prepared,
  body: Buffer | undefined,
): Promise<HttpAnswer | undefined> {
  const { conf, url, caller } = prepared;
  try {
    if (url === undefined) throw new Error(`bad uri: ${conf.uri}`);
    const headers = headersOf(ctx, prepared);
    const method = conf.request_method;
    const request = { url, method, headers, isRepeatable: true, ...(body && { body }) };
    return await caller.call(request, ctx.signal);
  } catch (error) {
    ctx.log.warn(`failed to process forward auth, err: ${(error as Error).message}`);
    return undefined;
  }
}

function headersOf(ctx: RequestContext, { conf, extraHeaders }: Prepared): HeaderList {
  const { request, vars } = ctx;
  const headers = new HeaderList();
  headers.append('X-Forwarded-Proto', request.scheme);
  headers.append('X-Forwarded-Method', request.method);
  headers.append('X-Forwarded-Host', request.host);
  headers.append('X-Forwarded-Uri', byteText(vars.get('request_uri') ?? ''));
  headers.append('X-Forwarded-For', ctx.client.address);
  if (conf.request_method === 'POST') {
    // the body is sent in a frame of its own; only how it is encoded stays true
    const encoding = request.headers.getKnown('content-encoding');
    if (encoding !== undefined) headers.append('Content-Encoding', encoding);
  }
  for (const [name, template] of extraHeaders) headers.set(name, template.render(vars));
  for (const name of conf.request_headers) {
    const value = request.headers.get(name);
    if (value !== undefined && !headers.has(name)) headers.append(name, value);
  }
  return headers;
}

/** Header values have a character a byte; a decoded path has the characters themselves. */
function byteText(text: string): string {
  return Buffer.from(text).toString('latin1');
}

function refusal(conf: ForwardAuthConf, { status, headers, body }: HttpAnswer): LocalReply {
  const shown = conf.client_headers.filter((name) => headers.has(name));
  return {
    status,
    headers: Object.fromEntries(shown.map((name) => [name, headers.getAll(name)])),
    body,
  };
}
