import { hostname } from 'node:os';
import type { RequestContext } from '@polygate/plugin-sdk';
import packageJson from '../../package.json' with { type: 'json' };
import type { LoggedBodies } from './log-entry-bodies.ts';
import { membersBehind, type FormatMember } from './log-entry-format.ts';
import { isPlain, jsonArguments, jsonText } from './log-entry-json.ts';
import { RepeatedHeaders, RepeatedNumber, RepeatedText } from './log-entry-memory.ts';

const SERVER = `"server":{"hostname":${jsonText(hostname())},"version":"${packageJson.version}"}`;

/** Extra fields never take the place of these. */
const ALWAYS_THERE: ReadonlySet<string> = new Set([
  ...['request', 'response', 'server', 'service_id', 'client_ip'],
  ...['start_time', 'latency', 'apisix_latency'],
]);

/**
 * The entry with everything that is known of a request, for one conf. No object is made of it, and what is
 * as it was the last time is not made again. Source: get_full_log of apisix/utils/log-util.lua.
 */
export class FullEntry {
  readonly #bodies: LoggedBodies;
  readonly #extra: readonly FormatMember[];
  readonly #unmatchedRouteId: string | undefined;
  readonly #requestHeaders = new RepeatedHeaders();
  readonly #responseHeaders = new RepeatedHeaders();
  readonly #method = new RepeatedText();
  readonly #clientAddress = new RepeatedText();
  readonly #username = new RepeatedText();
  readonly #upstream = new RepeatedText();
  readonly #startTime = new RepeatedNumber();
  #origin = '';
  #isOriginPlain = false;
  #routeId: string | undefined;
  #serviceId: string | undefined;
  #routeJson = '';

  /** `unmatchedRouteId`: the `route_id` where no route matched; undefined: there is none. */
  constructor(
    bodies: LoggedBodies,
    extra: readonly FormatMember[],
    unmatchedRouteId: string | undefined,
  ) {
    this.#bodies = bodies;
    this.#extra = extra.filter(({ name }) => !ALWAYS_THERE.has(name));
    this.#unmatchedRouteId = unmatchedRouteId;
  }

  /** On one line. */
  json(ctx: RequestContext): string {
    const { consumer } = ctx;
    const { totalMs, upstreamMs, ownMs } = latenciesOf(ctx);
    const upstream = upstreamAddresses(ctx);
    const json =
      `{"request":${this.#request(ctx)},"response":${this.#response(ctx)},${SERVER}` +
      `,"client_ip":${this.#clientAddress.json(ctx.client.address)}${this.#matched(ctx)}` +
      (consumer === undefined
        ? ''
        : `,"consumer":{"username":${this.#username.json(consumer.username)}}`) +
      (upstream === undefined ? '' : `,"upstream":${this.#upstream.json(upstream)}`) +
      `,"start_time":${this.#startTime.digits(ctx.startTimeMs)},"latency":${totalMs}` +
      `,"apisix_latency":${ownMs}` +
      (upstreamMs === undefined ? '' : `,"upstream_latency":${upstreamMs}`);
    if (this.#extra.length === 0) return `${json}}`;
    const isThere: Readonly<Record<string, unknown>> = {
      route_id: ctx.route ?? this.#unmatchedRouteId,
      consumer,
      upstream,
      upstream_latency: upstreamMs,
    };
    const added = this.#extra.filter(
      ({ name }) => !Object.hasOwn(isThere, name) || isThere[name] === undefined,
    );
    return `${json}${membersBehind(added, ctx)}}`;
  }

  #request(ctx: RequestContext): string {
    const { request, vars } = ctx;
    const uri = vars.get('request_uri') ?? request.rawTarget;
    const query = request.query === '' ? '{}' : jsonArguments(request.getArguments());
    const body = this.#bodies.readsRequest ? this.#bodies.readRequestBody(ctx) : undefined;
    return (
      `{${this.#address(ctx, uri)},"method":${this.#method.json(request.method)}` +
      `,"headers":${this.#requestHeaders.json(request.headers)},"querystring":${query}` +
      `,"size":${ctx.bytesReceived}${body === undefined ? '}' : `,"body":${jsonText(body)}}`}`
    );
  }

  /** The uri stands in the url again: it is looked through once. */
  #address({ request, server }: RequestContext, uri: string): string {
    const origin = `${request.scheme}://${request.host}:${server.port}`;
    if (origin !== this.#origin) {
      this.#origin = origin;
      this.#isOriginPlain = isPlain(origin);
    }
    if (this.#isOriginPlain && isPlain(uri)) return `"url":"${origin}${uri}","uri":"${uri}"`;
    return `"url":${jsonText(origin + uri)},"uri":${jsonText(uri)}`;
  }

  #response(ctx: RequestContext): string {
    const { response } = ctx;
    const body = this.#bodies.response?.text(ctx);
    return (
      `{"status":${response.status},"headers":${this.#responseHeaders.json(response.headers)}` +
      `,"size":${ctx.bytesSent}${body === undefined ? '' : `,"body":${jsonText(body)}`}}`
    );
  }

  /** Service and route; without a route the host stands for the service. */
  #matched({ route, request }: RequestContext): string {
    if (route === undefined) {
      const id = this.#unmatchedRouteId;
      const service = `,"service_id":${jsonText(request.host)}`;
      return id === undefined ? service : `${service},"route_id":${jsonText(id)}`;
    }
    const { id, serviceId } = route;
    if (id !== this.#routeId || serviceId !== this.#serviceId) {
      this.#routeId = id;
      this.#serviceId = serviceId;
      this.#routeJson = `,"service_id":${jsonText(serviceId ?? '')},"route_id":${jsonText(id)}`;
    }
    return this.#routeJson;
  }
}

export interface Latencies {
  readonly totalMs: number;
  readonly upstreamMs: number | undefined;
  readonly ownMs: number;
}

/** Source: latency_details_in_ms of apisix/utils/log-util.lua. */
export function latenciesOf(ctx: RequestContext): Latencies {
  const totalMs = Date.now() - ctx.startTimeMs;
  const upstreamMs = upstreamLatencyMs(ctx);
  return { totalMs, upstreamMs, ownMs: Math.max(totalMs - (upstreamMs ?? 0), 0) };
}

/** Of all tries together; undefined when no upstream was tried, or none answered. */
function upstreamLatencyMs({ attempts }: RequestContext): number | undefined {
  let sum: number | undefined;
  for (const { responseTimeMs } of attempts) {
    if (responseTimeMs !== undefined) sum = (sum ?? 0) + responseTimeMs;
  }
  // whole milliseconds, as nginx measures
  return sum === undefined ? undefined : Math.round(sum);
}

/** Of all tries; undefined when there was none. */
export function upstreamAddresses({ attempts }: RequestContext): string | undefined {
  if (attempts.length === 0) return undefined;
  if (attempts.length === 1) return attempts[0]?.address;
  return attempts.map(({ address }) => address).join(', ');
}
