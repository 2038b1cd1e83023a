import { ConfigError } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { LocalReply, Plugin, PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { HELD_REASON } from '../auth-refusal.ts';
import { definition, type MultiAuthConf } from './multi-auth.schema.ts';

/** One way to authenticate. */
interface Way {
  readonly plugin: Plugin;
  readonly prepared: unknown;
}

/** Lets a request in that any of its plugins lets in; asks them in order. */
export default definePlugin<MultiAuthConf, readonly Way[]>(definition, {
  prepare: (conf, env) =>
    conf.auth_plugins.flatMap((entry) =>
      Object.entries(entry).map(([name, own]) => prepareWay(name, own, env)),
    ),

  dispose(ways) {
    for (const { plugin, prepared } of ways) plugin.dispose?.(prepared);
  },

  rewrite: (ctx, ways) => {
    const attempt: Attempt = { ways, reasons: [], headers: {} };
    const result = tryFrom(0, ctx, attempt);
    if (!(result instanceof Promise)) {
      ctx.set(HELD_REASON, undefined);
      return result;
    }
    return result.finally(() => ctx.set(HELD_REASON, undefined));
  },
});

function prepareWay(name: string, conf: unknown, env: PluginEnvironment): Way {
  const plugin = env.plugins.get(name);
  if (plugin === undefined) throw new ConfigError(`${name} plugin did not found`);
  return { plugin, prepared: plugin.prepare === undefined ? conf : plugin.prepare(conf, env) };
}

interface Attempt {
  readonly ways: readonly Way[];
  readonly reasons: string[];
  /** Of the refusals so far, as their challenges. */
  headers: NonNullable<LocalReply['headers']>;
}

type Outcome = LocalReply | undefined | Promise<LocalReply | undefined>;

function tryFrom(first: number, ctx: RequestContext, attempt: Attempt): Outcome {
  for (let i = first; i < attempt.ways.length; i++) {
    const { plugin, prepared } = attempt.ways[i] as Way;
    const held = { reason: undefined };
    ctx.set(HELD_REASON, held);
    const reply = plugin.rewrite?.(ctx, prepared);
    if (reply instanceof Promise) {
      return reply.then((late) => {
        if (late === undefined) return undefined;
        noteRefusal(attempt, plugin, late, held.reason);
        return tryFrom(i + 1, ctx, attempt);
      });
    }
    if (reply === undefined) return undefined;
    noteRefusal(attempt, plugin, reply, held.reason);
  }
  for (const reason of attempt.reasons) ctx.log.warn(reason);
  return { status: 401, headers: attempt.headers, body: { message: 'Authorization Failed' } };
}

function noteRefusal(
  attempt: Attempt,
  { definition: { name } }: Plugin,
  { status, headers, body }: LocalReply,
  held: string | undefined,
): void {
  const reason = held ?? messageOf(body);
  attempt.reasons.push(
    `${name} failed to authenticate the request, code: ${status}. error: ${reason}`,
  );
  attempt.headers = { ...attempt.headers, ...headers };
}

function messageOf(body: LocalReply['body']): string {
  if (typeof body === 'string') return body;
  if (typeof body !== 'object' || !('message' in body)) return '';
  return String(body.message);
}
