import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, HeaderList } from '@polygate/plugin-sdk';
import { compileCompressible, hasBody, setContentEncoding } from '../compressible.ts';
import type { Compressible } from '../compressible.ts';
import { GzipWriter } from './gzip-writer.ts';
import { definition, type GzipConf } from './gzip.schema.ts';

interface Prepared {
  readonly compressible: Compressible;
  readonly level: number;
  readonly varies: boolean;
  /** A key per conf: it may stand in a global rule too. */
  readonly writer: ContextKey<GzipWriter>;
}

/** The only ones that nginx compresses. */
const STATUSES: ReadonlySet<number> = new Set([200, 403, 404]);

export default definePlugin<GzipConf, Prepared>(definition, {
  prepare: (conf) => ({
    compressible: compileCompressible(conf),
    level: conf.comp_level,
    varies: conf.vary === true,
    writer: contextKey('gzip'),
  }),

  headerFilter(ctx, { compressible, level, varies, writer }) {
    if (!compressible(ctx)) return;
    const { response, request } = ctx;
    // for caches: also an answer that is not compressed would be with another request
    if (varies) response.headers.appendKnown('Vary', 'vary', 'Accept-Encoding');
    if (response.headers.getKnown('content-encoding') !== undefined) return;
    if (!STATUSES.has(response.status) || !hasBody(ctx) || !accepts(request.headers)) return;
    setContentEncoding(response, 'gzip');
    ctx.set(writer, new GzipWriter(level));
  },

  bodyFilter: (ctx, { writer }, chunk, last) => ctx.get(writer)?.write(chunk, last) ?? chunk,
});

const GZIP = /(?:^|[ ,])gzip *(?:; *q *= *(\d(?:\.\d{0,3})?) *)?(?:,|$)/i;

/** As ngx_http_gzip_ok: `*` does not count, and answers that go to a proxy are left alone. */
function accepts(headers: HeaderList): boolean {
  const accepted = headers.getKnown('accept-encoding');
  if (accepted === undefined || headers.getKnown('via') !== undefined) return false;
  if (accepted.startsWith('gzip,')) return true;
  const match = GZIP.exec(accepted);
  return match !== null && (match[1] === undefined || Number(match[1]) > 0);
}
