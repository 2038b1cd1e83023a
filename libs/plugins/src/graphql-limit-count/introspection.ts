import type { UpstreamResource } from '@polygate/model';
import { HeaderList } from '@polygate/plugin-sdk';
import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { HttpCaller } from '../http-call.ts';
import { encodeControlCharacters } from '../uri-encoding.ts';
import type { GraphqlLimitCountConf } from './graphql-limit-count.schema.ts';
import { indexSchema, INTROSPECTION_QUERY, type SchemaIndex } from './schema-index.ts';

/** As long as APISIX waits to connect, to send and for an answer. */
const TIMEOUT_MS = 9000;
/** How long a failure is remembered: an upstream that answers nothing is not asked for each request. */
const FAILURE_MS = 10_000;

interface Known {
  readonly schema: Promise<SchemaIndex>;
  /** Of a failure: when to ask again. */
  askAgainMs: number;
}

interface Endpoint {
  readonly url: URL;
  /** Undefined: the URL's. */
  readonly host: string | undefined;
}

/**
 * Asks upstreams for their schemas, once for each service and conf. Nothing of the request goes along:
 * what one client may see is no measure for all. Source: graphql-limit-count/introspection.lua.
 */
export class Introspection {
  readonly #conf: GraphqlLimitCountConf;
  readonly #findUpstream: PluginEnvironment['findUpstreamResource'];
  readonly #known = new Map<string, Known>();
  readonly #end = new AbortController();
  readonly #caller = new HttpCaller({
    timeoutMs: TIMEOUT_MS,
    // requests go to the same upstream without a look at its certificate
    verifyTls: false,
    keepAlive: undefined,
  });

  constructor(
    conf: GraphqlLimitCountConf,
    { findUpstreamResource }: Pick<PluginEnvironment, 'findUpstreamResource'>,
  ) {
    this.#conf = conf;
    this.#findUpstream = findUpstreamResource;
  }

  /** Rejects with what is to be logged. */
  schemaOf(serviceId: string, ctx: RequestContext): Promise<SchemaIndex> {
    const known = this.#known.get(serviceId);
    if (known !== undefined && performance.now() < known.askAgainMs) return known.schema;
    const asked: Known = { schema: this.#ask(ctx), askAgainMs: Infinity };
    asked.schema.catch(() => (asked.askAgainMs = performance.now() + FAILURE_MS));
    this.#known.set(serviceId, asked);
    return asked.schema;
  }

  close(): void {
    this.#end.abort();
    this.#caller.close();
  }

  async #ask(ctx: RequestContext): Promise<SchemaIndex> {
    const { url, host } = this.#endpoint(ctx);
    const answer = await this.#caller
      .call(
        {
          url,
          method: 'POST',
          headers: headersFor(host, this.#conf.introspection_headers ?? {}),
          body: JSON.stringify({ query: INTROSPECTION_QUERY }),
          isRepeatable: true,
        },
        this.#end.signal,
      )
      .catch((cause: Error) => {
        throw new Error(`failed to request ${url.href}: ${cause.message}`, { cause });
      });
    if (answer.status !== 200) {
      throw new Error(`unexpected status ${answer.status} from ${url.href}`);
    }
    return readAnswer(answer.body.toString());
  }

  #endpoint(ctx: RequestContext): Endpoint {
    const { introspection_endpoint: given } = this.#conf;
    if (given !== undefined) return { url: new URL(given), host: undefined };
    const upstream = this.#upstreamOf(ctx);
    const address = upstream === undefined ? undefined : firstAddress(upstream);
    if (upstream === undefined || address === undefined) {
      throw new Error('the route has no upstream nodes, set introspection_endpoint');
    }
    const { request } = ctx;
    const path = encodeControlCharacters(request.upstreamPath ?? request.path);
    const url = URL.parse(`${upstream.scheme ?? 'http'}://${address}${path}`);
    if (url === null)
      throw new Error(`no URL to introspect at ${address}, set introspection_endpoint`);
    if (upstream.pass_host === 'rewrite') return { url, host: upstream.upstream_host };
    if (upstream.pass_host === 'node') return { url, host: undefined };
    return { url, host: request.headers.get('host') ?? request.host };
  }

  /** The service's own comes first, since the schema is the service's. */
  #upstreamOf(ctx: RequestContext): UpstreamResource | undefined {
    const { service, route } = ctx.getResources();
    for (const holder of [service, route]) {
      const { upstream, upstream_id: id } = holder ?? {};
      if (typeof upstream === 'object' && upstream !== null) return upstream;
      const isId = typeof id === 'string' || typeof id === 'number';
      const named = isId ? this.#findUpstream(String(id)) : undefined;
      if (named !== undefined) return named;
    }
    return undefined;
  }
}

/** Of the addresses in order, so that it is the same each time. */
function firstAddress({ nodes, scheme }: UpstreamResource): string | undefined {
  if (nodes === undefined) return undefined;
  const port = scheme === 'https' || scheme === 'grpcs' ? 443 : 80;
  const addresses = Array.isArray(nodes)
    ? (nodes as readonly { host: string; port?: number }[]).map(
        (node) => `${node.host}:${node.port ?? port}`,
      )
    : Object.keys(nodes);
  return addresses.sort()[0];
}

/** What the conf says comes last, and counts. */
function headersFor(host: string | undefined, given: Readonly<Record<string, string>>): HeaderList {
  const headers = HeaderList.fromRaw(['Content-Type', 'application/json']);
  if (host !== undefined) headers.set('Host', host);
  for (const [name, value] of Object.entries(given)) headers.set(name, value);
  return headers;
}

function readAnswer(text: string): SchemaIndex {
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch (cause) {
    throw new Error('failed to decode the introspection response', { cause });
  }
  const data = (answer as { readonly data?: unknown } | null)?.data;
  if (data === undefined || data === null) {
    throw new Error('introspection response has no data field');
  }
  const schema = indexSchema(data);
  if (schema === undefined) throw new Error('introspection response has no __schema.types');
  return schema;
}
