import { randomBytes } from 'node:crypto';
import { chmod, lstat, rename, unlink } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import {
  decodeHttpReqCallRequest,
  decodeHttpRespCallRequest,
  decodePrepareConfRequest,
  encodeHttpReqCallResponse,
  encodeHttpRespCallResponse,
  encodePrepareConfResponse,
  ErrorCode,
  FrameType,
  ProtocolError,
} from '@polygate/runner-protocol';
import type { TextEntry } from '@polygate/runner-protocol';
import { ConfCache, type PreparedPlugin } from './conf-cache.ts';
import type { AnyExternalPlugin } from './external-plugin.ts';
import { GatewayConnection, type CallHandler } from './gateway-connection.ts';
import { stderrLog, type RunnerLog } from './runner-log.ts';
import { CallError, runRequestPlugins, runResponsePlugins } from './plugin-call.ts';

const CONNECTIONS_MAX = 4_096;
/** What `APISIX_CONF_EXPIRE_TIME` says when it says nothing. */
const CONF_EXPIRE_SECONDS = 3_600;
/** The runner must keep a conf for longer than the gateway keeps its token. */
const CONF_TTL_FACTOR = 1.2;

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
  readonly log?: RunnerLog;
}

export interface PluginRunner {
  readonly path: string;
  /** Lets calls end for up to `graceMs` (500), then cuts them. Removes the socket if it is ours. */
  close(graceMs?: number): Promise<void>;
}

/**
 * Serves plugins to Polygate or Apache APISIX. A socket that another runner left is replaced; any
 * other file at the path is left alone and is an error, as is a bad address, mode or plugin list.
 */
export async function startPluginRunner(options: PluginRunnerOptions): Promise<PluginRunner> {
  const path = socketPath(options.listen ?? process.env['APISIX_LISTEN_ADDRESS']);
  const mode = options.socketMode ?? modeOf(process.env['POLYGATE_RUNNER_SOCKET_MODE']);
  const log = options.log ?? stderrLog;
  const confs = new ConfCache({
    ttlMs: options.confTtlMs ?? confTtlMs(process.env['APISIX_CONF_EXPIRE_TIME']),
    entriesMax: options.confsMax ?? 10_000,
  });
  const handle = callHandler(pluginsByName(options.plugins), confs);
  const callTimeoutMs = options.callTimeoutMs ?? 56_000;

  const connections = new Set<GatewayConnection>();
  const server = createServer((socket) => {
    const connection = new GatewayConnection(socket, { handle, callTimeoutMs, log });
    connections.add(connection);
    socket.on('close', () => connections.delete(connection));
  });
  server.maxConnections = CONNECTIONS_MAX;
  const inode = await listen(server, path, mode);
  log.info(`listening on ${path} with ${options.plugins.map(({ name }) => name).join(', ')}`);
  return {
    path,
    close: async (graceMs = 500) => {
      const closed = new Promise((resolve) => server.close(resolve));
      await unlinkIfOurs(path, inode);
      for (const connection of connections) connection.close();
      const timer = setTimeout(() => {
        for (const connection of connections) connection.destroy();
      }, graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}

function callHandler(
  plugins: ReadonlyMap<string, AnyExternalPlugin>,
  confs: ConfCache,
): CallHandler {
  const preparedOf = (token: number) => {
    const prepared = confs.get(token);
    if (prepared !== undefined) return prepared;
    throw new CallError(ErrorCode.CONF_TOKEN_NOT_FOUND, `conf token ${token} not found`);
  };
  return async (type, payload, questions) => {
    switch (type) {
      case FrameType.PREPARE_CONF: {
        const { key, conf } = decodePrepareConfRequest(payload);
        const confToken = confs.find(key, conf) ?? confs.put(key, conf, prepare(plugins, conf));
        return encodePrepareConfResponse({ confToken });
      }
      case FrameType.HTTP_REQ_CALL: {
        const call = decodeHttpReqCallRequest(payload);
        const action = await runRequestPlugins(call, preparedOf(call.confToken), questions);
        return encodeHttpReqCallResponse({ id: call.id, action });
      }
      case FrameType.HTTP_RESP_CALL: {
        const call = decodeHttpRespCallRequest(payload);
        const reply = await runResponsePlugins(call, preparedOf(call.confToken), questions);
        return encodeHttpRespCallResponse(reply);
      }
      default:
        throw new ProtocolError('MALFORMED', `unknown frame type ${type}`);
    }
  };
}

/**
 * Fails closed, unlike other runners: they skip a plugin that they do not know or whose conf is
 * bad, and a misspelt auth plugin lets everybody in.
 */
function prepare(
  plugins: ReadonlyMap<string, AnyExternalPlugin>,
  conf: readonly TextEntry[],
): PreparedPlugin[] {
  return conf.map(({ name, value = '' }) => {
    const plugin = plugins.get(name);
    if (plugin === undefined) {
      throw new CallError(ErrorCode.BAD_REQUEST, `there is no plugin ${JSON.stringify(name)}`);
    }
    if (plugin.parseConf === undefined) return { plugin, conf: value };
    try {
      return { plugin, conf: plugin.parseConf(value) as unknown };
    } catch (cause) {
      throw new CallError(ErrorCode.BAD_REQUEST, `the conf of plugin ${name} is bad`, { cause });
    }
  });
}

function pluginsByName(
  plugins: readonly AnyExternalPlugin[],
): ReadonlyMap<string, AnyExternalPlugin> {
  const byName = new Map<string, AnyExternalPlugin>();
  for (const plugin of plugins) {
    if (byName.has(plugin.name)) throw new Error(`two plugins are called ${plugin.name}`);
    byName.set(plugin.name, plugin);
  }
  return byName;
}

/**
 * Binds beside the path and moves the socket there when its mode is right. So it is never open to
 * more than it should be, and closing the server, which unlinks the path it was bound to, cannot
 * take the socket of a successor.
 */
async function listen(server: Server, path: string, mode: number): Promise<bigint> {
  const before = await statOf(path);
  if (before !== undefined && !before.isSocket()) throw new Error(`${path} is not a socket`);
  const temporary = join(dirname(path), `.r${randomBytes(4).toString('hex')}`);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(temporary, () => {
      server.off('error', reject);
      resolve();
    });
  });
  await chmod(temporary, mode);
  await rename(temporary, path);
  return (await lstat(path, { bigint: true })).ino;
}

async function unlinkIfOurs(path: string, inode: bigint): Promise<void> {
  if ((await statOf(path))?.ino === inode) await unlink(path);
}

async function statOf(path: string) {
  try {
    return await lstat(path, { bigint: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function socketPath(address: string | undefined): string {
  if (address?.startsWith('unix:/') === true) return address.slice('unix:'.length);
  throw new Error(`APISIX_LISTEN_ADDRESS must be "unix:/path": ${address ?? 'it is not set'}`);
}

function modeOf(octal: string | undefined): number {
  if (octal === undefined || octal === '') return 0o600;
  if (/^0?[0-7]{3}$/.test(octal)) return Number.parseInt(octal, 8);
  throw new Error(`POLYGATE_RUNNER_SOCKET_MODE must be three octal digits: ${octal}`);
}

function confTtlMs(seconds: string | undefined): number {
  const given = seconds === undefined || seconds === '' ? CONF_EXPIRE_SECONDS : Number(seconds);
  if (given > 0 && Number.isFinite(given)) return given * CONF_TTL_FACTOR * 1_000;
  throw new Error(`APISIX_CONF_EXPIRE_TIME must be a number of seconds above 0: ${seconds}`);
}
