import { HeaderList, HOP_BY_HOP } from '@polygate/plugin-sdk';
import type { RequestContext } from '@polygate/plugin-sdk';
import type { ResponseResult } from '@polygate/rpc';
import { FRAMING_HEADERS, headerText, requireHeaderName, requireStatus } from './result-header.ts';

/** They describe a body that is not sent any more. */
const OF_OLD_BODY = ['content-encoding', 'content-language', 'content-location', 'content-md5'];

/**
 * Does to an upstream's answer what the runner wants, as APISIX does (`ext-plugin/init.lua`): headers
 * of the runner replace all of the upstream's, an empty body leaves the upstream's. One difference:
 * where the runner names no header APISIX loses Content-Type, Location and others; here they stay,
 * but for those that describe a body which was replaced. Throws RUNNER_FAILED, with nothing changed.
 */
export function applyResponse(
  { response }: RequestContext,
  { status, headers, body }: ResponseResult,
): void {
  if (status !== 0) requireStatus(status);
  for (const { name } of headers) requireHeaderName(name);
  if (status !== 0) response.status = status;
  if (headers.length > 0) replaceHeaders(response, headers);
  if (body.length === 0) return;
  if (headers.length === 0) for (const name of OF_OLD_BODY) response.headers.deleteKnown(name);
  response.setBody(body);
}

/** The first of a name replaces what earlier plugins set, further ones append. */
function replaceHeaders(
  response: RequestContext['response'],
  headers: ResponseResult['headers'],
): void {
  const length = response.headers.getKnown('content-length');
  const replaced = new HeaderList();
  for (const { name, value } of headers) {
    const lowerName = name.toLowerCase();
    if (value === undefined || FRAMING_HEADERS.has(lowerName) || HOP_BY_HOP.has(lowerName))
      continue;
    replaced.appendKnown(name, lowerName, headerText(value));
    response.early.deleteKnown(lowerName);
  }
  // nginx gives what has none the default type
  if (replaced.getKnown('content-type') === undefined) {
    replaced.appendKnown('Content-Type', 'content-type', 'text/plain; charset=utf-8');
  }
  if (length !== undefined) replaced.appendKnown('Content-Length', 'content-length', length);
  setHeaders(response.headers, replaced);
}

function setHeaders(target: HeaderList, source: HeaderList): void {
  target.retain(() => false);
  source.forEach((name, value, lowerName) => target.appendKnown(name, lowerName, value));
}
