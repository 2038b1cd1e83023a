import { GatewayError } from '@polygate/plugin-sdk';
import type {
  ClientRequest,
  HeaderList,
  LocalReply,
  QueryArgument,
  RequestContext,
} from '@polygate/plugin-sdk';
import type { Entry, RequestResult, RewriteAction, StopAction } from '@polygate/rpc';
import {
  FRAMING_HEADERS,
  headerText,
  percentOf,
  requireHeaderName,
  requireStatus,
} from './result-header.ts';

/** Response headers that a rewrite may not touch (`exclude_resp_header` of APISIX). */
const KEPT_RESPONSE_HEADERS: ReadonlySet<string> = new Set([
  ...['connection', 'content-length', 'transfer-encoding', 'location', 'server'],
  ...['www-authenticate', 'content-encoding', 'content-type', 'content-location'],
  'content-language',
]);

/**
 * Does what the runner wants, as APISIX does (`ext-plugin/init.lua`). Answers a reply for "stop".
 * Throws RUNNER_FAILED, with the request unchanged, for what no HTTP message can hold.
 */
export function applyResult(
  ctx: RequestContext,
  { action }: RequestResult,
): LocalReply | undefined {
  switch (action?.$case) {
    case 'continue':
      return undefined;
    case 'stop':
      return replyOf(action.value);
    case 'rewrite':
      requireSound(action.value);
      applyRewrite(ctx, action.value);
      return undefined;
    case undefined:
      // A newer manager's action: letting the request pass could be what the runner forbade.
      throw new GatewayError('RUNNER_FAILED', 'the runner wants something unknown');
  }
}

function replyOf({ status, headers, body }: StopAction): LocalReply {
  const code = status === 0 ? 200 : status;
  requireStatus(code);
  const values = new Map<string, string[]>();
  for (const { name, value } of headers) {
    requireHeaderName(name);
    const lowerName = name.toLowerCase();
    if (value === undefined || FRAMING_HEADERS.has(lowerName)) continue;
    const text = headerText(value);
    const earlier = values.get(lowerName);
    if (earlier === undefined) values.set(lowerName, [text]);
    else earlier.push(text);
  }
  return {
    status: code,
    headers: Object.fromEntries(
      Array.from(values, ([name, texts]) => [name, texts.length === 1 ? texts[0] : texts]),
    ) as Record<string, string | string[]>,
    ...(body.length === 0 ? {} : { body }),
  };
}

/** Everything that can be wrong, before anything is changed. */
function requireSound({ path, headers, responseHeaders }: RewriteAction): void {
  if (path !== undefined && path !== '' && !path.startsWith('/')) {
    throw new GatewayError('RUNNER_FAILED', 'the runner rewrote the path to one without "/"');
  }
  for (const { name } of headers) requireHeaderName(name);
  for (const { name } of responseHeaders) requireHeaderName(name);
}

function applyRewrite({ request, response }: RequestContext, rewrite: RewriteAction): void {
  if (rewrite.path !== undefined && rewrite.path !== '') {
    request.upstreamPath = encodePath(rewrite.path);
  }
  for (const { name, value } of rewrite.headers) setRequestHeader(request, name, value);
  if (rewrite.body.length > 0) request.setBody(rewrite.body);
  setEarlyHeaders(response.early, rewrite.responseHeaders);
  if (rewrite.args.length > 0) {
    request.setArguments(changedArguments(request.getArguments(), rewrite.args));
  }
}

function setRequestHeader(request: ClientRequest, name: string, value: string | undefined): void {
  const lowerName = name.toLowerCase();
  if (FRAMING_HEADERS.has(lowerName)) return;
  const text = value === undefined ? undefined : headerText(value);
  if (text === undefined) request.headers.delete(name);
  else request.headers.set(name, text);
  if (lowerName === 'host') request.upstreamHost = text;
}

/** The first entry of a name replaces what earlier plugins set, further ones append. */
function setEarlyHeaders(early: HeaderList, entries: readonly Entry[]): void {
  const seen = new Set<string>();
  for (const { name, value } of entries) {
    const lowerName = name.toLowerCase();
    if (KEPT_RESPONSE_HEADERS.has(lowerName)) continue;
    if (!seen.has(lowerName)) early.delete(lowerName);
    seen.add(lowerName);
    if (value !== undefined) early.append(lowerName, headerText(value));
  }
}

/** The first entry of a name replaces all arguments of that name, further ones append. */
function changedArguments(
  current: readonly QueryArgument[],
  changes: readonly Entry[],
): QueryArgument[] {
  const changed = new Map<string, string[]>();
  for (const { name, value } of changes) {
    if (value === undefined) changed.set(name, []);
    else if (changed.has(name)) changed.get(name)?.push(value);
    else changed.set(name, [value]);
  }
  const args: QueryArgument[] = [];
  const placed = new Set<string>();
  for (const argument of current) {
    const values = changed.get(argument.name);
    if (values === undefined) args.push(argument);
    else if (!placed.has(argument.name)) {
      for (const value of values) args.push({ name: argument.name, value });
      placed.add(argument.name);
    }
  }
  for (const [name, values] of changed) {
    if (placed.has(name)) continue;
    for (const value of values) args.push({ name, value });
  }
  return args;
}

const PLAIN_PATH = /^[\w!$&'()*+,\-./:;=@[\]~]*$/;

/**
 * What `core.utils.uri_safe_encode` of APISIX does (`ngx_escape_uri` with NGX_ESCAPE_URI): encodes
 * what a path cannot hold, and `%`, `?` and `#`. A path that is encoded already is encoded again.
 */
function encodePath(path: string): string {
  if (PLAIN_PATH.test(path)) return path;
  const bytes = Buffer.from(path, 'utf8').toString('latin1');
  return bytes.replace(/[^\w!$&'()*+,\-./:;=@[\]~]/g, percentOf);
}
