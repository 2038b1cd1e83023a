import { definePlugin } from '@polygate/plugin-sdk';
import type { ConsumerMatch, LocalReply, RequestContext } from '@polygate/plugin-sdk';
import { noteReason } from '../auth-refusal.ts';
import { headerValue } from '../header-value.ts';
import { encodeComponent } from '../uri-encoding.ts';
import { parseRbacToken, rbacTokenText } from './rbac-token.ts';
import { changePassword, logIn, tellUser } from './wolf-endpoints.ts';
import { definition, type WolfRbacConf } from './wolf-rbac.schema.ts';
import { checkPermission, type Permission } from './wolf-server.ts';

const API_PATH = '/apisix/plugin/wolf-rbac';

/**
 * Asks a wolf-server whether the user may do what the request does. A token names an application, which
 * has a consumer, which has the server.
 */
export default definePlugin<WolfRbacConf>(definition, {
  async rewrite(ctx) {
    const text = rbacTokenText(ctx);
    if (text === undefined) return refusal(401, 'Missing rbac token in request');
    const token = parseRbacToken(text);
    if (token === undefined) return refusal(401, 'invalid rbac token: parse failed');
    const consumer = ctx.findConsumer(definition.name, token.appid);
    if (consumer === undefined) {
      noteReason(ctx, `consumer [${token.appid}] not found`);
      return refusal(401, 'Invalid appid in rbac token');
    }
    const permission = await checkPermission(ctx, consumer, token);
    const names = tellIdentity(ctx, consumer, permission);
    if (permission.status === 200) {
      ctx.attachConsumer(consumer);
      return undefined;
    }
    const { status, reason } = permission;
    noteReason(ctx, `check_url_permission failed, res status: ${status}, err: ${reason}`);
    return { status, body: { message: reason, ...names } };
  },

  publicApis: () => [
    { methods: ['POST'], path: `${API_PATH}/login`, handle: logIn },
    { methods: ['PUT'], path: `${API_PATH}/change_pwd`, handle: changePassword },
    { methods: ['GET'], path: `${API_PATH}/user_info`, handle: tellUser },
  ],
});

/** Client and upstream get the user's names; the client's own headers of that kind never pass. */
function tellIdentity(
  { request, response }: RequestContext,
  { authConf }: ConsumerMatch,
  { user }: Permission,
): { readonly username?: string; readonly nickname?: string } {
  const { header_prefix: prefix = '' } = authConf;
  const username = textOf(user?.['username']);
  const nickname = textOf(user?.['nickname']) ?? username;
  const headers = {
    UserId: textOf(user?.['id']),
    Username: username,
    Nickname: nickname === undefined ? undefined : encodeComponent(nickname),
  };
  for (const [suffix, value] of Object.entries(headers)) {
    const name = `${String(prefix)}${suffix}`;
    if (value === undefined) {
      request.headers.delete(name);
      continue;
    }
    request.headers.set(name, headerValue(value));
    response.early.set(name, headerValue(value));
  }
  return {
    ...(username !== undefined && { username }),
    ...(nickname !== undefined && { nickname }),
  };
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function refusal(status: number, message: string): LocalReply {
  return { status, body: { message } };
}
