import { definePlugin } from '@polygate/plugin-sdk';
import type {
  BodyHandler,
  LocalReply,
  Phase,
  Plugin,
  PluginDefinition,
  RequestContext,
} from '@polygate/plugin-sdk';
import { contextHost, statusOf, type ScriptBody } from './context-host.ts';
import { CONTEXT_PRELUDE } from './context-prelude.ts';
import { loadSandbox, Sandbox } from './sandbox.ts';
import type { ServerlessConf } from './serverless-definition.ts';

interface Prepared {
  readonly conf: ServerlessConf;
  readonly json: string;
  readonly phase: Phase;
  readonly sandbox: Sandbox;
  /** Only then is a body waited for. */
  readonly readsBody: boolean;
}

const PHASE_OF = {
  rewrite: 'rewrite',
  access: 'access',
  header_filter: 'headerFilter',
  body_filter: 'bodyFilter',
  log: 'log',
  before_proxy: 'beforeProxy',
} as const satisfies Record<ServerlessConf['phase'], Phase>;

/** Of a request that a function looks into. */
const BODY_BYTES_MAX = 1024 * 1024;

/** Runs functions of the conf in a sandbox, in the phase that it names. */
export function serverlessPlugin(
  definition: PluginDefinition<ServerlessConf>,
): Plugin<ServerlessConf, Prepared> {
  return definePlugin<ServerlessConf, Prepared>(definition, {
    prepare(conf, env) {
      if (!env.settings.serverlessJavaScript) throw new Error('functions are switched off');
      loadSandbox()?.catch((error: unknown) => env.log.error(`no sandbox: ${String(error)}`));
      return {
        conf,
        json: JSON.stringify(conf),
        phase: PHASE_OF[conf.phase],
        sandbox: new Sandbox(conf.functions, CONTEXT_PRELUDE),
        readsBody: conf.functions.some((text) => /\bbody\b/.test(text)),
      };
    },

    runsIn(phase, prepared) {
      // the sandbox has to be there when the answer comes, which waits for nothing
      if (phase === 'rewrite') return true;
      const changesLength = prepared.phase === 'bodyFilter' && phase === 'headerFilter';
      return phase === prepared.phase || changesLength;
    },

    dispose: ({ sandbox }) => sandbox.close(),

    rewrite(ctx, prepared) {
      const loading = loadSandbox();
      const run = (): ReturnType<typeof requestPhase> =>
        prepared.phase === 'rewrite' ? requestPhase(ctx, prepared) : undefined;
      return loading === undefined ? run() : loading.then(run);
    },
    access: (ctx, prepared) =>
      prepared.phase === 'access' ? requestPhase(ctx, prepared) : undefined,
    beforeProxy: (ctx, prepared) =>
      prepared.phase === 'beforeProxy' ? requestPhase(ctx, prepared) : undefined,

    headerFilter(ctx, prepared) {
      if (prepared.phase === 'headerFilter') {
        callAll(ctx, prepared, { text: undefined, isChanged: false });
        return;
      }
      if (prepared.phase === 'bodyFilter') ctx.response.holdBody();
    },
    bodyFilter,
    log(ctx, prepared) {
      if (prepared.phase === 'log') callAll(ctx, prepared, { text: undefined, isChanged: false });
    },
  });
}

/** The body comes in one piece: functions see text, and pieces of it may break in a character. */
const bodyFilter: BodyHandler<Prepared> = (ctx, prepared, chunk, last) => {
  if (prepared.phase !== 'bodyFilter' || (!last && chunk.length === 0)) return chunk;
  const body: ScriptBody = { text: chunk.toString(), isChanged: false };
  callAll(ctx, prepared, body);
  return body.isChanged ? Buffer.from(body.text ?? '') : chunk;
};

function requestPhase(
  ctx: RequestContext,
  prepared: Prepared,
): LocalReply | undefined | Promise<LocalReply | undefined> {
  const { request } = ctx;
  if (!prepared.readsBody || !request.hasBody) return runInRequest(ctx, prepared, undefined);
  return request
    .readBody(BODY_BYTES_MAX)
    .then((body) => runInRequest(ctx, prepared, body?.toString()));
}

function runInRequest(
  ctx: RequestContext,
  prepared: Prepared,
  text: string | undefined,
): LocalReply | undefined {
  const body: ScriptBody = { text, isChanged: false };
  const reply = callAll(ctx, prepared, body);
  if (body.isChanged) ctx.request.setBody(Buffer.from(body.text ?? ''));
  return reply;
}

/** One after another; the first that answers ends it. Throws where a function does. */
function callAll(
  ctx: RequestContext,
  { sandbox, json, conf }: Prepared,
  body: ScriptBody,
): LocalReply | undefined {
  const { consumer, route, client } = ctx;
  const vars = JSON.stringify({
    consumer: consumer && { username: consumer.username, group_id: consumer.groupId },
    route: route && { id: route.id, name: route.name, service_id: route.serviceId },
    client,
  });
  const input = `{"conf":${json},"vars":${vars}}`;
  const host = contextHost(ctx, body);
  for (let i = 0; i < sandbox.count; i++) {
    const { value, error } = sandbox.call(i, input, host);
    if (error !== undefined) {
      throw new Error(`function ${i + 1} in phase ${conf.phase} failed: ${error}`);
    }
    if (value !== undefined) return replyOf(JSON.parse(value) as unknown[]);
  }
  return undefined;
}

/** Status, body, headers. A body alone is 200, as of ngx.exit. */
function replyOf([status, body, headers]: readonly unknown[]): LocalReply | undefined {
  if (status === undefined || status === null) {
    return body === undefined || body === null ? undefined : { status: 200, body: textOf(body) };
  }
  const given = typeof headers === 'object' && headers !== null ? headers : {};
  return {
    status: statusOf(status),
    headers: Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, String(value)]),
    ),
    ...(body !== undefined && body !== null && { body: textOf(body) }),
  };
}

function textOf(body: unknown): string | object {
  return typeof body === 'object' && body !== null ? body : String(body);
}
