import { compileExpression, type Expression } from '@polygate/model';
import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ClientResponse, ContextKey, Logger, RequestContext } from '@polygate/plugin-sdk';
import { isHeaderChanges } from '../header-changes.ts';
import { headerValue } from '../header-value.ts';
import { clearHeadersOfModifiedBody } from '../modified-body.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { applyFilters, compileFilter, type BodyFilter } from './body-filters.ts';
import { decoderOf } from './content-decoding.ts';
import { definition } from './response-rewrite.schema.ts';
import type { ResponseRewriteConf } from './response-rewrite.schema.ts';

interface HeaderOperation {
  readonly name: string;
  readonly value: VariableTemplate;
}

interface HeaderOperations {
  readonly add: readonly HeaderOperation[];
  readonly set: readonly HeaderOperation[];
  readonly remove: readonly string[];
}

/** What one response needs to know from headerFilter to the last chunk. */
interface Progress {
  readonly encoding: string | undefined;
  readonly held: Buffer[];
  heldBytes: number;
  done: boolean;
}

interface Prepared {
  readonly applies: (ctx: RequestContext) => boolean;
  readonly status: number | undefined;
  readonly body: Buffer | undefined;
  readonly filters: readonly BodyFilter[] | undefined;
  readonly bodyBytesMax: number;
  readonly headers: HeaderOperations;
  readonly progress: ContextKey<Progress>;
}

const NOTHING = Buffer.alloc(0);

export default definePlugin<ResponseRewriteConf, Prepared>(definition, {
  prepare(conf, env) {
    return {
      applies: conf.vars === undefined ? () => true : condition(compileExpression(conf.vars)),
      status: conf.status_code,
      body:
        conf.body === undefined
          ? undefined
          : Buffer.from(conf.body, conf.body_base64 ? 'base64' : 'utf8'),
      filters: conf.filters?.map(compileFilter),
      bodyBytesMax: conf.max_resp_body_size,
      headers: compileHeaders(conf.headers ?? {}, env.log),
      progress: contextKey('response-rewrite'),
    };
  },

  headerFilter(ctx, prepared) {
    if (!prepared.applies(ctx)) return;
    const { response } = ctx;
    if (prepared.status !== undefined) response.status = prepared.status;
    const encoding = response.headers.get('Content-Encoding');
    ctx.set(prepared.progress, { encoding, held: [], heldBytes: 0, done: false });
    if (prepared.filters !== undefined || prepared.body !== undefined) {
      clearHeadersOfModifiedBody(response);
    }
    applyHeaders(ctx, response, prepared.headers);
  },

  bodyFilter(ctx, prepared, chunk, last) {
    const progress = ctx.get(prepared.progress);
    if (progress === undefined) return chunk;
    if (prepared.filters !== undefined) {
      const body = hold(progress, chunk, last, prepared.bodyBytesMax);
      return body === undefined
        ? NOTHING
        : filtered(ctx, prepared.filters, body, progress, prepared);
    }
    if (prepared.body === undefined) return chunk;
    if (progress.done) return NOTHING;
    progress.done = true;
    return prepared.body;
  },
});

/** A response that the expression cannot be worked out for is not rewritten. */
function condition(expression: Expression): Prepared['applies'] {
  return ({ vars, log }) => {
    try {
      return expression(vars);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error(`failed to evaluate the 'vars' expression: ${reason}`);
      return false;
    }
  };
}

/**
 * The body once it is complete, or cut off where it reaches the limit; undefined until then and
 * after that.
 */
function hold(
  progress: Progress,
  chunk: Buffer,
  last: boolean,
  bytesMax: number,
): Buffer | undefined {
  if (progress.done) return undefined;
  progress.held.push(chunk);
  progress.heldBytes += chunk.length;
  if (!last && progress.heldBytes < bytesMax) return undefined;
  progress.done = true;
  return Buffer.concat(progress.held.splice(0)).subarray(0, bytesMax);
}

/** A body that cannot be decoded passes as it is. */
function filtered(
  ctx: RequestContext,
  filters: readonly BodyFilter[],
  body: Buffer,
  { encoding }: Progress,
  { bodyBytesMax }: Prepared,
): Buffer {
  if (encoding === undefined) return applyFilters(body, filters, ctx.log);
  const decode = decoderOf(encoding);
  if (decode === undefined) {
    ctx.log.error(
      'filters may not work as expected due to unsupported compression encoding type: ' + encoding,
    );
    return body;
  }
  let decoded: Buffer;
  try {
    decoded = decode(body, bodyBytesMax);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    ctx.log.error(`filters may not work as expected: ${reason}`);
    return body;
  }
  return applyFilters(decoded, filters, ctx.log);
}

function compileHeaders(
  conf: NonNullable<ResponseRewriteConf['headers']>,
  log: Logger,
): HeaderOperations {
  if (!isHeaderChanges(conf)) return { add: [], set: Object.entries(conf).map(toSet), remove: [] };
  const add: HeaderOperation[] = [];
  for (const line of conf.add ?? []) {
    const match = /^([^:\s]+)\s*:\s*([^:]+)$/.exec(line);
    if (match === null) {
      // as in APISIX one line that cannot be read stops every change of headers
      log.error(`failed to create header operation: ${line}`);
      return { add: [], set: [], remove: [] };
    }
    add.push({ name: match[1] ?? '', value: compileTemplate(match[2] ?? '') });
  }
  return { add, set: Object.entries(conf.set ?? {}).map(toSet), remove: conf.remove ?? [] };
}

/** Headers that nginx itself writes: set to nothing, they are left out. */
const OMITTED_WHEN_EMPTY = new Set([
  ...['accept-ranges', 'cache-control', 'content-encoding', 'content-range', 'content-type'],
  ...['date', 'etag', 'expires', 'last-modified', 'link', 'location', 'refresh', 'server'],
  'www-authenticate',
]);

function toSet([name, value]: [string, string | number]): HeaderOperation {
  return { name, value: compileTemplate(String(value)) };
}

function applyHeaders(
  { vars }: RequestContext,
  { headers }: ClientResponse,
  { add, set, remove }: HeaderOperations,
): void {
  for (const { name, value } of add) headers.append(name, headerValue(value.render(vars)));
  for (const { name, value } of set) {
    const rendered = headerValue(value.render(vars));
    if (rendered === '' && OMITTED_WHEN_EMPTY.has(name.toLowerCase())) headers.delete(name);
    else headers.set(name, rendered);
  }
  for (const name of remove) headers.delete(name);
}
