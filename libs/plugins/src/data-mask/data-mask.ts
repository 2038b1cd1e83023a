import { definePlugin } from '@polygate/plugin-sdk';
import type { QueryArgument, RequestContext } from '@polygate/plugin-sdk';
import { definition } from './data-mask.schema.ts';
import type { DataMaskConf } from './data-mask.schema.ts';
import { Mask } from './mask.ts';
import { MASKED_BODY } from './masked-body.ts';

interface Prepared {
  readonly conf: DataMaskConf;
  readonly query: readonly Mask[];
  readonly headers: readonly Mask[];
  readonly form: readonly Mask[];
  readonly json: readonly Mask[];
}

/** Changes what loggers and the access log see of a request. Source: apisix/plugins/data-mask.lua. */
export default definePlugin<DataMaskConf, Prepared>(definition, {
  prepare: (conf) => {
    const masks = (conf.request ?? []).map((item) => new Mask(item));
    const bodies = masks.filter(({ item }) => item.type === 'body');
    return {
      conf,
      query: masks.filter(({ item }) => item.type === 'query'),
      headers: masks.filter(({ item }) => item.type === 'header'),
      form: bodies.filter(({ item }) => item.body_format === 'urlencoded'),
      json: bodies.filter(({ item }) => item.body_format === 'json'),
    };
  },

  runsIn: (_phase, { query, headers, form, json }) =>
    query.length + headers.length + form.length + json.length > 0,

  log(ctx, { conf, query, headers, form, json }) {
    if (query.length > 0) maskQuery(ctx, query);
    for (const mask of headers) maskHeader(ctx, mask);
    if (form.length === 0 && json.length === 0) return;
    const body = ctx.vars.get('request_body');
    if (body === undefined || body === '') return;
    if (form.length > 0) maskForm(ctx, form, body, conf.max_req_post_args);
    if (json.length > 0) maskJsonBody(ctx, json, body, conf.max_body_size);
  },
});

function maskQuery(ctx: RequestContext, masks: readonly Mask[]): void {
  const { request, vars, log } = ctx;
  if (request.query === '') return;
  const masked = maskAll(masks, request.getArguments(), ctx);
  if (masked === undefined) return;
  const version = vars.get('server_protocol') ?? 'HTTP/1.1';
  request.setArguments(masked);
  const uri = masked.length === 0 ? request.path : `${request.path}?${request.query}`;
  vars.set('request_uri', uri);
  vars.set('request_line', `${request.method} ${uri} ${version}`);
  log.debug('data-mask: the query is masked');
}

function maskAll(
  masks: readonly Mask[],
  args: readonly QueryArgument[],
  { log }: RequestContext,
): readonly QueryArgument[] | undefined {
  let masked: readonly QueryArgument[] | undefined;
  for (const mask of masks) masked = mask.maskArguments(masked ?? args, log) ?? masked;
  return masked;
}

function maskHeader(ctx: RequestContext, mask: Mask): void {
  const { headers } = ctx.request;
  const { name } = mask.item;
  const value = headers.get(name);
  if (value === undefined) return;
  const verdict = mask.verdictOf(value, 'in header', ctx.log);
  if (verdict === undefined) return;
  if (verdict.kind === 'remove') headers.delete(name);
  else headers.set(name, verdict.value);
  const variable = `http_${name.toLowerCase().replaceAll('-', '_')}`;
  ctx.vars.set(variable, verdict.kind === 'remove' ? '' : verdict.value);
}

function maskForm(
  ctx: RequestContext,
  masks: readonly Mask[],
  body: string,
  fieldsMax: number,
): void {
  let pairs = body.split('&').filter((pair) => pair !== '' && !pair.startsWith('='));
  if (fieldsMax > 0 && pairs.length > fieldsMax) {
    ctx.log.warn('data-mask: post args truncated: truncated');
    pairs = pairs.slice(0, fieldsMax);
  }
  const masked = maskAll(masks, pairs.map(fieldOf), ctx);
  if (masked === undefined) return;
  const text = masked
    .map(({ name, value }) =>
      value === undefined ? escape(name) : `${escape(name)}=${escape(value)}`,
    )
    .join('&');
  setBody(ctx, Buffer.from(text, 'latin1'));
}

function fieldOf(pair: string): QueryArgument {
  const equals = pair.indexOf('=');
  if (equals === -1) return { name: unescape(pair), value: undefined };
  return { name: unescape(pair.slice(0, equals)), value: unescape(pair.slice(equals + 1)) };
}

/** To UTF-8 text, as names and values of a conf are. */
function unescape(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString();
}

function escape(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function maskJsonBody(
  ctx: RequestContext,
  masks: readonly Mask[],
  body: string,
  bytesMax: number,
): void {
  if (body.length > bytesMax) {
    for (const { item } of masks) {
      ctx.log.warn(
        `data-mask: skipping body masking for field '${item.name}' because body size ` +
          `(${body.length}) exceeds max_body_size (${bytesMax})`,
      );
    }
    return;
  }
  let document: unknown;
  try {
    document = JSON.parse(Buffer.from(body, 'latin1').toString());
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    ctx.log.warn(`failed to decode json body: ${error.message}`);
    return;
  }
  let isMasked = false;
  for (const mask of masks) isMasked = mask.maskJson(document, ctx.log) || isMasked;
  if (isMasked) setBody(ctx, Buffer.from(JSON.stringify(document)));
}

function setBody(ctx: RequestContext, body: Buffer): void {
  ctx.set(MASKED_BODY, body);
  ctx.vars.set('request_body', body.toString('latin1'));
}
