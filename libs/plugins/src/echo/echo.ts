import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey } from '@polygate/plugin-sdk';
import { clearHeadersOfModifiedBody } from '../modified-body.ts';
import { definition, type EchoConf } from './echo.schema.ts';

interface Prepared {
  readonly before: Buffer;
  readonly body: Buffer | undefined;
  readonly after: Buffer;
  readonly headers: readonly (readonly [string, string])[];
  /** Set once the first chunk went by. A key per conf: echo may stand in a global rule too. */
  readonly begun: ContextKey<true>;
}

export default definePlugin<EchoConf, Prepared>(definition, {
  prepare: (conf) => ({
    before: Buffer.from(conf.before_body ?? ''),
    body: conf.body === undefined ? undefined : Buffer.from(conf.body),
    after: Buffer.from(conf.after_body ?? ''),
    headers: plainHeaders(conf.headers ?? {}),
    begun: contextKey('echo begun'),
  }),

  headerFilter(ctx, { headers }) {
    clearHeadersOfModifiedBody(ctx.response);
    for (const [name, value] of headers) ctx.response.headers.set(name, value);
  },

  bodyFilter(ctx, { before, body, after, begun }, chunk, last) {
    const first = ctx.get(begun) === undefined;
    if (first) ctx.set(begun, true);
    if (body !== undefined) {
      // the conf's body takes the place of the first chunk; the rest of the upstream's goes nowhere
      return first ? Buffer.concat([before, body, after]) : Buffer.alloc(0);
    }
    if (!first && !last) return chunk;
    return Buffer.concat([...(first ? [before] : []), chunk, ...(last ? [after] : [])]);
  },
});

/** The schema lets any value pass; APISIX sets strings and numbers only. */
function plainHeaders(headers: Readonly<Record<string, unknown>>): [string, string][] {
  const plain: [string, string][] = [];
  for (const [name, value] of Object.entries(headers)) {
    const sendable = typeof value === 'string' || typeof value === 'number';
    if (name !== '' && sendable) plain.push([name, String(value)]);
  }
  return plain;
}
