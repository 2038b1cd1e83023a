import type { ClientRequest } from '@polygate/plugin-sdk';
import { readBoundedBody } from './bounded-body.ts';
import { readJson } from './json-problem.ts';

/** A GraphQL request as a client sends it. */
export interface GraphqlRequest {
  readonly query: unknown;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
  readonly operationName: string | undefined;
}

/** Why a request is none. The client gets `message`, the log `reason`. */
export interface GraphqlProblem {
  readonly message: string;
  readonly reason: string;
}

const NO_BODY = "Invalid graphql request: can't get graphql request body";

/** Of a POST: the bytes of its body. Source: apisix/plugins/graphql-limit-count.lua. */
export async function readGraphqlBody(
  request: ClientRequest,
  bytesMax: number,
): Promise<Buffer | GraphqlProblem> {
  const body = await readBoundedBody(request, bytesMax);
  const why = typeof body === 'string' ? body : body.length === 0 && 'request body has zero size';
  if (why === false) return body as Buffer;
  return { message: NO_BODY, reason: `failed to read graphql data, ${why}` };
}

/** Of a POST: JSON with a `query`, or GraphQL itself, as its Content-Type says. */
export function parseGraphqlBody(
  contentType: string | undefined,
  body: Buffer,
): GraphqlRequest | GraphqlProblem {
  const text = body.toString();
  if (contentType?.startsWith('application/json') === true) return fromJson(text);
  if (contentType?.startsWith('application/graphql') === true) {
    return { query: text, variables: undefined, operationName: undefined };
  }
  return invalid(`error content-type: ${contentType ?? ''}`);
}

function fromJson(text: string): GraphqlRequest | GraphqlProblem {
  const read = readJson(text);
  if (read.problem !== undefined) return invalid(read.problem);
  const given = read.value;
  const { query, variables, operationName } = (
    typeof given === 'object' && given !== null ? given : {}
  ) as Readonly<Record<string, unknown>>;
  if (query === undefined || query === false) return invalid('json body[query] is nil');
  const isTable = typeof variables === 'object' && variables !== null;
  return {
    query,
    variables: isTable ? (variables as Readonly<Record<string, unknown>>) : undefined,
    operationName: typeof operationName === 'string' ? operationName : undefined,
  };
}

export function invalid(what: string): GraphqlProblem {
  const message = `invalid graphql request, ${what}`;
  return { message, reason: message };
}
