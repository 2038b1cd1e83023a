import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, RequestContext, SharedState } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { addReplyHeader, type ReplyHeaders } from '../reply-headers.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { definition, type ApiBreakerConf } from './api-breaker.schema.ts';

interface Prepared {
  readonly shared: SharedState;
  readonly breakMsMax: number;
  readonly failures: number;
  readonly unhealthy: ReadonlySet<number>;
  readonly successes: number;
  readonly healthy: ReadonlySet<number>;
  readonly status: number;
  readonly body: string | undefined;
  readonly headers: readonly (readonly [string, VariableTemplate])[];
}

/** APISIX keeps a count until there is no room for it; here it is forgotten after an hour. */
const COUNT_MS = 3_600_000;

/**
 * Opens after so many failures for 2 s, for 4 s after as many again, and so on; closes after so many
 * successes. One breaker for each host and path, whatever the route, as in APISIX.
 */
export default definePlugin<ApiBreakerConf, Prepared>(definition, {
  prepare: (conf, { shared }) => ({
    shared,
    breakMsMax: conf.max_breaker_sec * 1000,
    failures: conf.unhealthy.failures,
    unhealthy: new Set(conf.unhealthy.http_statuses),
    successes: conf.healthy.successes,
    healthy: new Set(conf.healthy.http_statuses),
    status: conf.break_response_code,
    body: conf.break_response_body,
    headers: (conf.break_response_headers ?? []).map(({ key, value }) => [
      key,
      compileTemplate(value),
    ]),
  }),

  access(ctx, prepared) {
    const { shared, breakMsMax, failures } = prepared;
    const place = placeOf(ctx);
    const failed = shared.incrementWindow(failedKey(place), 0, COUNT_MS).count;
    if (failed === 0) return undefined;
    const opened = shared.incrementWindow(openedKey(place), 0, breakMsMax);
    if (opened.count === 0) return undefined;
    const times = Math.max(1, Math.floor(failed / failures));
    const breakMs = Math.min(2 ** times * 1000, breakMsMax);
    return breakMsMax - opened.resetMs <= breakMs ? reply(ctx, prepared) : undefined;
  },

  log(ctx, prepared) {
    const attempt = ctx.attempts.at(-1);
    if (attempt === undefined) return;
    // no answer at all counts as the error that the client got
    const status = attempt.status ?? ctx.response.status;
    if (prepared.unhealthy.has(status)) noteFailure(placeOf(ctx), prepared);
    else if (prepared.healthy.has(status)) noteSuccess(placeOf(ctx), prepared);
  },
});

function noteFailure(place: string, { shared, failures, breakMsMax }: Prepared): void {
  const { count } = shared.incrementWindow(failedKey(place), 1, COUNT_MS);
  shared.clearWindow(succeededKey(place));
  if (count % failures !== 0) return;
  // a window anew: its age is how long the breaker has been open
  shared.clearWindow(openedKey(place));
  shared.incrementWindow(openedKey(place), 1, breakMsMax);
}

function noteSuccess(place: string, { shared, successes }: Prepared): void {
  if (shared.incrementWindow(failedKey(place), 0, COUNT_MS).count === 0) return;
  if (shared.incrementWindow(succeededKey(place), 1, COUNT_MS).count < successes) return;
  shared.clearWindow(openedKey(place));
  shared.clearWindow(failedKey(place));
  shared.clearWindow(succeededKey(place));
}

function placeOf({ request }: RequestContext): string {
  return request.host + request.path;
}

function failedKey(place: string): string {
  return `api-breaker failed ${place}`;
}

function succeededKey(place: string): string {
  return `api-breaker succeeded ${place}`;
}

function openedKey(place: string): string {
  return `api-breaker opened ${place}`;
}

/** Headers go with a body alone, as in APISIX. */
function reply({ vars }: RequestContext, { status, body, headers }: Prepared): LocalReply {
  if (body === undefined) return { status };
  const rendered: ReplyHeaders = {};
  for (const [name, value] of headers) {
    addReplyHeader(rendered, name, headerValue(value.render(vars)));
  }
  return { status, headers: rendered, body };
}
