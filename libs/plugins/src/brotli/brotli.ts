import { contextKey, definePlugin } from '@polygate/plugin-sdk';
import type { ContextKey, HeaderList } from '@polygate/plugin-sdk';
import { compileCompressible, hasBody, setContentEncoding } from '../compressible.ts';
import type { Compressible } from '../compressible.ts';
import { brotliSettings, BrotliWriter, type BrotliSettings } from './brotli-writer.ts';
import { definition, type BrotliConf } from './brotli.schema.ts';

interface Prepared {
  readonly compressible: Compressible;
  readonly settings: BrotliSettings;
  readonly varies: boolean;
  /** A key per conf: it may stand in a global rule too. */
  readonly writer: ContextKey<BrotliWriter>;
}

/**
 * Compresses bodies up to a size; larger ones are left to the gzip plugin, which comes next, when
 * their size is known. A stream of events is never held back.
 */
export default definePlugin<BrotliConf, Prepared>(definition, {
  prepare: (conf) => ({
    compressible: compileCompressible(conf),
    settings: brotliSettings(conf),
    varies: conf.vary === true,
    writer: contextKey('brotli'),
  }),

  headerFilter(ctx, { compressible, settings, varies, writer }) {
    const { response, request } = ctx;
    const { headers } = response;
    if (!accepts(request.headers.getKnown('accept-encoding'))) return;
    if (headers.getKnown('content-encoding') !== undefined || !compressible(ctx)) return;
    if (varies) headers.appendKnown('Vary', 'vary', 'Accept-Encoding');
    if (!hasBody(ctx) || isTooLarge(headers, settings) || isEventStream(headers)) return;
    setContentEncoding(response, 'br');
    ctx.set(writer, new BrotliWriter(settings));
  },

  bodyFilter: (ctx, { writer }, chunk, last) => ctx.get(writer)?.write(chunk, last) ?? chunk,
});

const ENCODINGS = /([a-z*]+)(;q=)?([0-9.]*)/g;

/** As APISIX reads it: `br` or `*`, unless its `q` is the character 0. */
function accepts(accepted: string | undefined): boolean {
  if (accepted === undefined) return false;
  if (accepted === 'br' || accepted === '*') return true;
  for (const [, name, q, quality] of accepted.matchAll(ENCODINGS)) {
    if ((name === 'br' || name === '*') && (q === undefined || quality !== '0')) return true;
  }
  return false;
}

function isTooLarge(headers: HeaderList, { bytesMax }: BrotliSettings): boolean {
  const length = headers.getKnown('content-length');
  return length !== undefined && Number(length) > bytesMax;
}

function isEventStream(headers: HeaderList): boolean {
  return headers.getKnown('content-type')?.startsWith('text/event-stream') === true;
}
