import { ErrorCode } from '@polygate/runner-protocol';
import type { HttpReqCallAction, HttpRespCallResponse } from '@polygate/runner-protocol';
import { CallError, pluginError } from './call-error.ts';
import type { CalledRequest } from './called-request.ts';
import type { CalledResponse } from './called-response.ts';
import type { StopReply } from '../external-plugin.ts';
import type { PreparedPlugin } from '../plugin-set.ts';

// A chain that waits for nothing makes no promise: a promise and its turn of the event loop cost as
// much as decoding the call.

/**
 * Has the plugins look at the request, in order, each seeing what the ones before it changed. The
 * first that stops it ends the chain.
 *
 * @throws {CallError} SERVICE_UNAVAILABLE where a plugin throws; also as a rejection
 */
export function runRequestPlugins(
  request: CalledRequest,
  plugins: readonly PreparedPlugin[],
  from = 0,
): HttpReqCallAction | Promise<HttpReqCallAction> {
  for (let i = from; i < plugins.length; i++) {
    const { plugin, conf } = plugins[i] as PreparedPlugin;
    if (plugin.request === undefined) continue;
    try {
      const reply = plugin.request(request, conf);
      if (isPromise(reply)) {
        return Promise.resolve(reply).then(
          (late) =>
            stopReply(plugin.name, request, late) ?? runRequestPlugins(request, plugins, i + 1),
          (cause: unknown) => {
            throw pluginError(plugin.name, cause);
          },
        );
      }
      if (reply !== undefined) return request.stopped(reply);
    } catch (cause) {
      throw pluginError(plugin.name, cause);
    }
  }
  return request.toAction();
}

/** The same for a response. */
export function runResponsePlugins(
  response: CalledResponse,
  plugins: readonly PreparedPlugin[],
  from = 0,
): HttpRespCallResponse | Promise<HttpRespCallResponse> {
  for (let i = from; i < plugins.length; i++) {
    const { plugin, conf } = plugins[i] as PreparedPlugin;
    if (plugin.response === undefined) continue;
    try {
      const done = plugin.response(response, conf);
      if (isPromise(done)) {
        return Promise.resolve(done).then(
          () => runResponsePlugins(response, plugins, i + 1),
          (cause: unknown) => {
            throw pluginError(plugin.name, cause);
          },
        );
      }
    } catch (cause) {
      throw pluginError(plugin.name, cause);
    }
  }
  return response.toReply();
}

function stopReply(name: string, request: CalledRequest, reply: StopReply | undefined | void) {
  if (reply === undefined) return undefined;
  try {
    return request.stopped(reply);
  } catch (cause) {
    throw pluginError(name, cause);
  }
}

export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value;
}

export function unknownToken(token: number): CallError {
  return new CallError(ErrorCode.CONF_TOKEN_NOT_FOUND, `conf token ${token} not found`);
}
