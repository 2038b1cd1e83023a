import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey } from '@polygate/plugin-sdk';
import { definition, type ErrorPage, type ErrorPageConf } from './error-page.schema.ts';

interface Page {
  readonly body: Buffer;
  readonly contentType: string | undefined;
}

interface Prepared {
  /** By status. Empty: there is nothing to do. */
  readonly pages: ReadonlyMap<number, Page>;
  /** What is still to be sent of the page. A key per conf: it may stand in a global rule too. */
  readonly unsent: ContextKey<Buffer>;
}

const STATUS_MIN = 404;
const NOTHING = Buffer.alloc(0);

/** Pages of one's own for the errors of the gateway; what an upstream answers is left alone. */
export default definePlugin<ErrorPageConf, Prepared>(definition, {
  prepare: (_conf, { metadata }) => ({
    pages: metadata['enable'] === true ? pagesIn(metadata) : new Map<number, Page>(),
    unsent: contextKey('error-page'),
  }),

  runsIn: (_phase, { pages }) => pages.size > 0,

  headerFilter(ctx, { pages, unsent }) {
    const { response } = ctx;
    if (response.source === 'upstream') return;
    const page = pages.get(response.status);
    if (page === undefined) return;
    if (page.contentType === undefined) response.headers.deleteKnown('content-type');
    else response.headers.setKnown('Content-Type', 'content-type', page.contentType);
    response.headers.setKnown('Content-Length', 'content-length', String(page.body.length));
    ctx.set(unsent, page.body);
  },

  bodyFilter(ctx, { unsent }, chunk) {
    const body = ctx.get(unsent);
    if (body === undefined) return chunk;
    if (body.length > 0) ctx.set(unsent, NOTHING);
    return body;
  },
});

function pagesIn(metadata: Readonly<Record<string, unknown>>): ReadonlyMap<number, Page> {
  const pages = new Map<number, Page>();
  for (const [name, value] of Object.entries(metadata)) {
    const status = Number(/^error_(\d{3})$/.exec(name)?.[1]);
    if (!(status >= STATUS_MIN) || typeof value !== 'object' || value === null) continue;
    const { body, content_type: contentType } = value as ErrorPage;
    if (typeof body !== 'string' || body === '') continue;
    pages.set(status, {
      body: Buffer.from(body),
      contentType: typeof contentType === 'string' ? contentType : undefined,
    });
  }
  return pages;
}
