import { compilePattern } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import type { ClientRequest, RequestContext } from '@polygate/plugin-sdk';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { applyHeaderOperations, compileHeaderOperations } from './header-operations.ts';
import type { HeaderOperations } from './header-operations.ts';
import { definition, type ProxyRewriteConf } from './proxy-rewrite.schema.ts';
import { encodeControlCharacters, encodePath } from '../uri-encoding.ts';

interface Rewrite {
  readonly pattern: ReturnType<typeof compilePattern>;
  readonly replacement: string;
}

interface Prepared {
  readonly uri: VariableTemplate | undefined;
  /** Of a `uri` without variables: what it comes to for every request. */
  readonly fixed: UpstreamTarget | undefined;
  readonly rewrites: readonly Rewrite[];
  readonly unsafe: boolean;
  readonly host: string | undefined;
  readonly method: string | undefined;
  readonly headers: HeaderOperations;
}

interface Target {
  readonly text: string;
  /** Whether a `?` in `text` begins a query; it belongs to the path otherwise. */
  readonly hasQuery: boolean;
  readonly captures: readonly (string | undefined)[];
}

/** As it goes to the upstream. */
interface UpstreamTarget {
  readonly path: string;
  /** Undefined: there is none, and the client's stays. */
  readonly query: string | undefined;
}

/** Why the pattern could not be tried; client and log both get to see it, as in APISIX. */
interface TargetProblem {
  readonly problem: string;
}

const NO_CAPTURES: Target['captures'] = [];

export default definePlugin<ProxyRewriteConf, Prepared>(definition, {
  prepare: (conf) => ({
    ...compileUri(conf),
    rewrites: compileRewrites(conf.regex_uri ?? []),
    unsafe: conf.use_real_request_uri_unsafe,
    host: conf.host,
    method: conf.method,
    headers: compileHeaderOperations(conf.headers),
  }),

  rewrite(ctx, prepared) {
    const { request } = ctx;
    if (prepared.host !== undefined) request.upstreamHost = prepared.host;
    let captures: Target['captures'] = NO_CAPTURES;
    if (prepared.fixed !== undefined) {
      setTarget(request, prepared.fixed);
    } else {
      const target = newTarget(ctx, prepared);
      if ('problem' in target) {
        ctx.log.error(target.problem);
        return { status: 500, body: { error_msg: target.problem } };
      }
      captures = target.captures;
      if (!keepsEarlierPath(request, prepared)) {
        if (prepared.unsafe) setRawTarget(request, target.text);
        else setTarget(request, splitTarget(target));
      }
    }
    applyHeaderOperations(ctx, prepared.headers, captures);
    if (prepared.method !== undefined) request.method = prepared.method;
    return undefined;
  },
});

/**
 * APISIX puts the client's path back even where an earlier plugin, a runner's say, wrote a new one.
 * Here a conf that says nothing of the path leaves that one alone.
 */
function keepsEarlierPath(request: ClientRequest, { uri, rewrites, unsafe }: Prepared): boolean {
  const silent = uri === undefined && rewrites.length === 0 && !unsafe;
  return silent && request.upstreamPath !== undefined;
}

function compileUri({
  uri: written,
  use_real_request_uri_unsafe: unsafe,
}: ProxyRewriteConf): Pick<Prepared, 'uri' | 'fixed'> {
  if (written === undefined) return { uri: undefined, fixed: undefined };
  const uri = compileTemplate(written);
  if (unsafe || uri.constant === undefined) return { uri, fixed: undefined };
  return { uri, fixed: splitTarget({ text: uri.constant, hasQuery: true }) };
}

function compileRewrites(pairs: readonly string[]): Rewrite[] {
  const rewrites: Rewrite[] = [];
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [pattern = '', replacement = ''] = pairs.slice(i, i + 2);
    rewrites.push({ pattern: compilePattern(pattern), replacement });
  }
  return rewrites;
}

/** `uri` comes before `regex_uri`; without both the client's target stays. */
function newTarget(
  ctx: RequestContext,
  { uri, rewrites, unsafe }: Prepared,
): Target | TargetProblem {
  const original = unsafe ? ctx.request.rawTarget : ctx.request.path;
  if (uri !== undefined) {
    const text = uri.render(ctx.vars, escapeQuestionMark);
    return { text: unsafe ? withQueryOf(original, text) : text, hasQuery: true, captures: [] };
  }
  const hasQuery = rewrites.length > 0 && !original.includes('?');
  for (const { pattern, replacement } of rewrites) {
    try {
      const captures = pattern.exec(original);
      if (captures === null) continue;
      return { text: pattern.replaceFirst(original, replacement), hasQuery, captures };
    } catch (error) {
      // a subject too long for the pattern
      const reason = error instanceof Error ? error.message : String(error);
      return { problem: `failed to match the uri ${original} (${pattern.source})  : ${reason}` };
    }
  }
  return { text: original, hasQuery, captures: [] };
}

/** A template drops the client's query; it goes behind the template's own. */
function withQueryOf(original: string, text: string): string {
  const mark = original.indexOf('?');
  if (mark === -1) return text;
  return text.includes('?') ? `${text}&${original.slice(mark + 1)}` : text + original.slice(mark);
}

function splitTarget({ text, hasQuery }: Pick<Target, 'text' | 'hasQuery'>): UpstreamTarget {
  const mark = hasQuery ? text.indexOf('?') : -1;
  if (mark === -1) return { path: encodePath(text), query: undefined };
  const query = encodeControlCharacters(text.slice(mark + 1));
  return { path: encodePath(text.slice(0, mark)), query };
}

/** The client's query follows the new one. */
function setTarget(request: ClientRequest, { path, query }: UpstreamTarget): void {
  request.upstreamPath = path;
  if (query === undefined) return;
  request.query = request.query === '' ? query : `${query}&${request.query}`;
}

/** As it is, but for control characters: those would end the request line. */
function setRawTarget(request: ClientRequest, text: string): void {
  const target = encodeControlCharacters(text);
  const mark = target.indexOf('?');
  request.upstreamPath = mark === -1 ? target : target.slice(0, mark);
  request.query = mark === -1 ? '' : target.slice(mark + 1);
}

function escapeQuestionMark(value: string): string {
  return value.replaceAll('?', '%3F');
}
