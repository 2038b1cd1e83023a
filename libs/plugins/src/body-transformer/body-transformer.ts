import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readBoundedBody } from '../bounded-body.ts';
import { clearHeadersOfModifiedBody } from '../modified-body.ts';
import { definition } from './body-transformer.schema.ts';
import type { BodyTransformerConf, InputFormat, TransformConf } from './body-transformer.schema.ts';
import { decodeBody, type DecodedBody } from './decode-body.ts';
import { LuaError, LuaTable } from './lua/lua-value.ts';
import { templateContext } from './template-context.ts';
import { chooseTemplate, readTemplate, type TemplateText } from './template-text.ts';
import { DecodeError } from './xml-table.ts';

/** One direction: request or response. */
interface Transform {
  readonly name: 'request' | 'response';
  readonly conf: TransformConf;
  readonly template: TemplateText;
}

/** An answer that is gathered. */
interface Progress {
  readonly format: InputFormat | undefined;
  readonly contentType: string | undefined;
  readonly held: Buffer[];
  bytes: number;
}

interface Prepared {
  readonly request: Transform | undefined;
  readonly response: Transform | undefined;
  readonly requestBytesMax: number;
  readonly responseBytesMax: number;
  readonly progress: ContextKey<Progress>;
}

/** A body to put in the place of the other, or why there is none. */
type Transformed = Buffer | { readonly status: number; readonly message: string };

const NOTHING = Buffer.alloc(0);

/** Makes other bodies of bodies, by templates. */
export default definePlugin<BodyTransformerConf, Prepared>(definition, {
  prepare: (conf) => ({
    request: transformOf('request', conf.request),
    response: transformOf('response', conf.response),
    requestBytesMax: conf.max_req_body_size,
    responseBytesMax: conf.max_resp_body_size,
    progress: contextKey('body-transformer'),
  }),

  runsIn(phase, { request, response }) {
    return phase === 'rewrite' ? request !== undefined : response !== undefined;
  },

  async rewrite(ctx, { request: transform, requestBytesMax }): Promise<LocalReply | undefined> {
    if (transform === undefined) return undefined;
    const { request } = ctx;
    const body = request.hasBody ? await readBoundedBody(request, requestBytesMax) : undefined;
    if (typeof body === 'string') {
      ctx.log.error(`failed to get request body: ${body}`);
      return { status: 413 };
    }
    const contentType = request.headers.get('content-type');
    const isGet = request.method === 'GET';
    const format = isGet ? 'args' : formatOf(transform.conf, contentType);
    const given = body === undefined || body.length === 0 ? undefined : body;
    const out = run(transform, { body: given, isNeeded: isGet, format, contentType }, ctx);
    if (!Buffer.isBuffer(out)) return { status: out.status, body: { message: out.message } };
    request.setBody(out);
    return undefined;
  },

  headerFilter(ctx, { response: transform, progress }) {
    if (transform === undefined) return;
    const contentType = ctx.response.headers.get('content-type');
    const format = formatOf(transform.conf, contentType);
    ctx.set(progress, { format, contentType, held: [], bytes: 0 });
    clearHeadersOfModifiedBody(ctx.response);
  },

  bodyFilter(ctx, { response: transform, responseBytesMax, progress }, chunk, last) {
    const state = ctx.get(progress);
    if (transform === undefined || state === undefined) return chunk;
    // as in APISIX a body over the limit is cut off there
    const wanted = chunk.subarray(0, responseBytesMax - state.bytes);
    state.bytes += wanted.length;
    if (wanted.length > 0) state.held.push(wanted);
    if (!last) return NOTHING;
    const body = Buffer.concat(state.held.splice(0));
    const { format, contentType } = state;
    const out = run(transform, { body, isNeeded: false, format, contentType }, ctx);
    if (Buffer.isBuffer(out)) return out;
    ctx.log.error(`failed to transform response body of ${body.length} bytes`);
    return NOTHING;
  },
});

function transformOf(
  name: Transform['name'],
  conf: TransformConf | undefined,
): Transform | undefined {
  return conf === undefined ? undefined : { name, conf, template: readTemplate(conf) };
}

/** What the conf says, else what the content type says. */
function formatOf(conf: TransformConf, contentType: string | undefined): InputFormat | undefined {
  if (conf.input_format !== undefined || contentType === undefined) return conf.input_format;
  if (contentType.includes('text/xml')) return 'xml';
  if (contentType.includes('application/json')) return 'json';
  const lower = contentType.toLowerCase();
  if (lower.includes('application/x-www-form-urlencoded')) return 'encoded';
  return lower.includes('multipart/') ? 'multipart' : undefined;
}

interface Given {
  readonly body: Buffer | undefined;
  /** Decode it even where there is none: arguments are no body. */
  readonly isNeeded: boolean;
  readonly format: InputFormat | undefined;
  readonly contentType: string | undefined;
}

function run({ name, conf, template }: Transform, given: Given, ctx: RequestContext): Transformed {
  const { body, format, contentType } = given;
  const text = body?.toString();
  let decoded: DecodedBody = { entries: new LuaTable(), parts: undefined };
  if ((text !== undefined || given.isNeeded) && format !== 'plain') {
    if (format === undefined) {
      ctx.log.warn(`no input format to parse ${name} body`);
    } else {
      try {
        decoded = decodeBody(format, text ?? '', contentType, ctx);
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        return failed(ctx, 400, `${name} body decode: ${error.message}`);
      }
    }
  }
  const render = chooseTemplate(template, conf, format);
  if (typeof render === 'string') return failed(ctx, 503, `${name} template compile: ${render}`);
  try {
    return Buffer.from(render(templateContext(decoded, text, ctx)));
  } catch (error) {
    if (!(error instanceof LuaError)) throw error;
    return failed(ctx, 503, `${name} template rendering: ${error.message}`);
  }
}

function failed(ctx: RequestContext, status: number, message: string): Transformed {
  ctx.log.error(`transform(): ${message}`);
  return { status, message };
}
