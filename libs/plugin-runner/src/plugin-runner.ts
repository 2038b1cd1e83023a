import { createServer } from 'node:net';
import {
  decodeHttpRespCallRequest,
  decodePrepareConfRequest,
  encodeFrame,
  encodeHttpReqCallResponseFrame,
  encodeHttpRespCallResponseFrame,
  encodePrepareConfResponse,
  FrameType,
  ProtocolError,
  viewHttpReqCallRequest,
} from '@polygate/runner-protocol';
import { CallLimits } from './call/call-limits.ts';
import { CalledRequest } from './call/called-request.ts';
import { CalledResponse } from './call/called-response.ts';
import { ConfCache } from './conf-cache.ts';
import type { AnyExternalPlugin } from './external-plugin.ts';
import { GatewayConnection, type CallHandler } from './call/gateway-connection.ts';
import { PluginSet } from './plugin-set.ts';
import {
  isPromise,
  runRequestPlugins,
  runResponsePlugins,
  unknownToken,
} from './call/run-plugins.ts';
import { stderrLog, type RunnerLog } from './runner-log.ts';
import { listenOnSocket, socketMode, socketPath, unlinkIfOurs } from './runner-socket.ts';

const CONNECTIONS_MAX = 4_096;
/** What `APISIX_CONF_EXPIRE_TIME` says when it says nothing. */
const CONF_EXPIRE_SECONDS = 3_600;
/** The runner must keep a conf for longer than the gateway keeps its token. */
const CONF_TTL_FACTOR = 1.2;
/** As much as a frame can carry. */
const BODY_BYTES_MAX = 16_777_215;

export interface PluginRunnerOptions {
  readonly plugins: readonly AnyExternalPlugin[];
  /** `unix:/path`; from `APISIX_LISTEN_ADDRESS` unless given. */
  readonly listen?: string;
  /**
   * Of the socket. 0600 unless given here or, in octal, in `POLYGATE_RUNNER_SOCKET_MODE`. APISIX
   * starts runners as root and calls them as another user, so there it takes 0666.
   */
  readonly socketMode?: number;
  /** How long a conf lives without being used: 1.2 times `APISIX_CONF_EXPIRE_TIME` (3600 s). */
  readonly confTtlMs?: number;
  /** 10,000. */
  readonly confsMax?: number;
  /** 56 s: less than the 60 s for which APISIX waits. */
  readonly callTimeoutMs?: number;
  /** Calls that run at once, 1,024; more wait for their turn. */
  readonly callsMax?: number;
  /** Of a body that a plugin asks for: 16 MiB less one, which is what the protocol carries. */
  readonly bodyBytesMax?: number;
  readonly log?: RunnerLog;
}

export interface PluginRunner {
  readonly path: string;
  /**
   * Serves other plugins from now on. Confs that gateways hold tokens of are prepared anew; one that
   * the new plugins refuse keeps what it had, and the reason is logged. Calls that run end as they
   * began. Throws, and changes nothing, where the list is no good.
   */
  replacePlugins(plugins: readonly AnyExternalPlugin[]): void;
  /** Lets calls end for up to `graceMs` (500), then cuts them. Removes the socket if it is ours. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Serves plugins to Polygate or Apache APISIX. A socket that another runner left is replaced; any
 * other file at the path is left alone and is an error, as is a bad address, mode or plugin list.
 */
export async function startPluginRunner(options: PluginRunnerOptions): Promise<PluginRunner> {
  const path = socketPath(options.listen ?? process.env['APISIX_LISTEN_ADDRESS']);
  const mode = options.socketMode ?? socketMode(process.env['POLYGATE_RUNNER_SOCKET_MODE']);
  const log = options.log ?? stderrLog;
  const served = new ServedPlugins(options, log);
  const limits = new CallLimits({
    callsMax: options.callsMax ?? 1_024,
    callTimeoutMs: options.callTimeoutMs ?? 56_000,
  });

  const connections = new Set<GatewayConnection>();
  const server = createServer((socket) => {
    const connection = new GatewayConnection(socket, { handle: served.handle, limits, log });
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  });
  server.maxConnections = CONNECTIONS_MAX;
  const inode = await listenOnSocket(server, path, mode);
  const endSweep = limits.sweep(connections);
  log.info(`listening on ${path} with ${served.names.join(', ')}`);
  return {
    path,
    replacePlugins: (plugins) => served.replace(plugins),
    close: async (graceMs = 500) => {
      const closed = new Promise((resolve) => server.close(resolve));
      await unlinkIfOurs(path, inode);
      for (const connection of connections) connection.close();
      const timer = setTimeout(() => {
        for (const connection of connections) connection.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
      endSweep();
    },
  };
}

/** The plugins of a runner and the confs that gateways have handed over. */
class ServedPlugins {
  readonly #log: RunnerLog;
  readonly #confs: ConfCache;
  readonly #bodyBytesMax: number;
  #plugins: PluginSet;

  constructor(options: PluginRunnerOptions, log: RunnerLog) {
    this.#log = log;
    this.#plugins = new PluginSet(options.plugins);
    this.#confs = new ConfCache({
      ttlMs: options.confTtlMs ?? confTtlMs(process.env['APISIX_CONF_EXPIRE_TIME']),
      entriesMax: options.confsMax ?? 10_000,
    });
    this.#bodyBytesMax = options.bodyBytesMax ?? BODY_BYTES_MAX;
  }

  get names(): readonly string[] {
    return this.#plugins.names;
  }

  replace(plugins: readonly AnyExternalPlugin[]): void {
    const next = new PluginSet(plugins);
    this.#plugins = next;
    const { prepared, errors } = this.#confs.prepareAgain((conf) => next.prepare(conf));
    for (const error of errors) {
      this.#log.error(`a conf stays with the plugins it had: ${(error as Error).message}`);
    }
    this.#log.info(`now serving ${next.names.join(', ')}; ${prepared} confs prepared anew`);
  }

  readonly handle: CallHandler = (type, payload, call) => {
    switch (type) {
      case FrameType.PREPARE_CONF: {
        const { key, conf } = decodePrepareConfRequest(payload);
        const confToken =
          this.#confs.find(key, conf) ?? this.#confs.put(key, conf, this.#plugins.prepare(conf));
        return encodeFrame(type, encodePrepareConfResponse({ confToken }));
      }
      case FrameType.HTTP_REQ_CALL: {
        const view = viewHttpReqCallRequest(payload);
        const { id } = view;
        const request = new CalledRequest(view, call, this.#bodyBytesMax);
        call.labelled = request;
        const action = runRequestPlugins(request, this.#prepared(view.confToken));
        return isPromise(action)
          ? action.then((late) => encodeHttpReqCallResponseFrame({ id, action: late }))
          : encodeHttpReqCallResponseFrame({ id, action });
      }
      case FrameType.HTTP_RESP_CALL: {
        const decoded = decodeHttpRespCallRequest(payload);
        const response = new CalledResponse(decoded, call, this.#bodyBytesMax);
        call.labelled = response;
        const reply = runResponsePlugins(response, this.#prepared(decoded.confToken));
        return isPromise(reply)
          ? reply.then(encodeHttpRespCallResponseFrame)
          : encodeHttpRespCallResponseFrame(reply);
      }
      default:
        throw new ProtocolError('MALFORMED', `unknown frame type ${type}`);
    }
  };

  #prepared(token: number) {
    const prepared = this.#confs.get(token);
    if (prepared === undefined) throw unknownToken(token);
    return prepared;
  }
}

function confTtlMs(seconds: string | undefined): number {
  const given = seconds === undefined || seconds === '' ? CONF_EXPIRE_SECONDS : Number(seconds);
  if (given > 0 && Number.isFinite(given)) return given * CONF_TTL_FACTOR * 1_000;
  throw new Error(`APISIX_CONF_EXPIRE_TIME must be a number of seconds above 0: ${seconds}`);
}
