import type { VariableSource } from './body-variables.ts';
import type { GatewayRequest } from './client-request.ts';
import type { GatewayContext } from './gateway-context.ts';
import { parseQuery } from './query.ts';

export function isOfBody(name: string): boolean {
  return name.startsWith('post_arg') || name.startsWith('graphql_');
}

/** Whether the variable could be in a body of this request at all: no other one is waited for. */
export function bodyMatters(name: string, { headers, method }: GatewayRequest): boolean {
  if (name.startsWith('graphql_')) return method === 'POST';
  const contentType = headers.getKnown('content-type') ?? '';
  if (name.startsWith('post_arg_')) return contentType.startsWith(FORM);
  return TYPES.some((type) => contentType.includes(type));
}

const FORM = 'application/x-www-form-urlencoded';
const TYPES = ['application/json', FORM, 'multipart/form-data'];

export function bodySource(ctx: GatewayContext, body: Buffer | undefined): VariableSource {
  const { request, bodyLimits: limits, log } = ctx;
  return {
    method: request.method,
    contentType: request.headers.getKnown('content-type'),
    graphqlArgument: () => parseQuery(request.query).find(({ name }) => name === 'query')?.value,
    body,
    limits,
    log,
  };
}
