import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { readBoundedBody } from '../bounded-body.ts';
import { parseForm } from '../request-validation/form-fields.ts';
import { formatRbacToken, parseRbacToken, rbacTokenText, type RbacToken } from './rbac-token.ts';
import { definition } from './wolf-rbac.schema.ts';
import { callWolf, isObject, type WolfAnswer } from './wolf-server.ts';

/** Names and passwords: more than this is something else. */
const BODY_BYTES_MAX = 1024 * 1024;

type Json = Readonly<Record<string, unknown>>;

/** Trades a name and a password for a token. */
export async function logIn(ctx: RequestContext): Promise<LocalReply> {
  const args = await readArguments(ctx);
  if (args === undefined) return message(400, 'invalid request');
  const { appid } = args;
  if (appid === undefined || appid === null || appid === false) {
    return message(400, 'appid is missing');
  }
  const consumer = typeof appid === 'string' ? consumerOf(ctx, appid) : undefined;
  if (consumer === undefined) return message(400, 'appid not found');
  const path = '/wolf/rbac/login.rest';
  const answer = await callWolf(ctx, { consumer, method: 'POST', path, body: args });
  if (!('data' in answer)) return failure(answer);
  const { userInfo, token } = answer.data;
  // without a token there is nothing that the user could come back with
  if (typeof token !== 'string') return failure({ refused: false });
  const rbacToken = formatRbacToken({ appid: appid as string, wolfToken: token });
  return { status: 200, body: { rbac_token: rbacToken, user_info: userInfo } };
}

export async function changePassword(ctx: RequestContext): Promise<LocalReply> {
  const args = await readArguments(ctx);
  const found = knownUser(ctx);
  if ('status' in found) return found;
  const { consumer, wolfToken } = found;
  const path = '/wolf/rbac/change_pwd';
  const answer = await callWolf(ctx, { consumer, method: 'POST', path, wolfToken, body: args });
  return 'data' in answer ? message(200, 'success to change password') : failure(answer);
}

export async function tellUser(ctx: RequestContext): Promise<LocalReply> {
  const found = knownUser(ctx);
  if ('status' in found) return found;
  const { consumer, wolfToken } = found;
  const path = '/wolf/rbac/user_info';
  const answer = await callWolf(ctx, { consumer, method: 'GET', path, wolfToken });
  if (!('data' in answer)) return failure(answer);
  return { status: 200, body: { user_info: answer.data['userInfo'] } };
}

interface KnownUser extends RbacToken {
  readonly consumer: ConsumerMatch;
}

function knownUser(ctx: RequestContext): KnownUser | LocalReply {
  const text = rbacTokenText(ctx);
  if (text === undefined) return message(401, 'Missing rbac token in request');
  const token = parseRbacToken(text);
  if (token === undefined) return message(401, 'invalid rbac token: parse failed');
  const consumer = consumerOf(ctx, token.appid);
  return consumer === undefined ? message(400, 'appid not found') : { ...token, consumer };
}

function consumerOf(ctx: RequestContext, appid: string): ConsumerMatch | undefined {
  return ctx.findConsumer(definition.name, appid);
}

/** JSON or a form; undefined for what is neither. */
async function readArguments({ request, log }: RequestContext): Promise<Json | undefined> {
  const body = await readBoundedBody(request, BODY_BYTES_MAX);
  if (typeof body === 'string') {
    log.error(`failed to read request body: ${body}`);
    return undefined;
  }
  const isJson = request.headers.getKnown('content-type')?.includes('application/json') === true;
  if (!isJson) return parseForm(body.toString());
  try {
    const value: unknown = JSON.parse(body.toString());
    return isObject(value) ? value : undefined;
  } catch (error) {
    log.error(`the request body is no JSON: ${(error as Error).message}`);
    return undefined;
  }
}

function failure(answer: Extract<WolfAnswer, { refused: boolean }>): LocalReply {
  return message(answer.refused ? 200 : 500, 'request to wolf-server failed!');
}

function message(status: number, text: string): LocalReply {
  return { status, body: { message: text } };
}
