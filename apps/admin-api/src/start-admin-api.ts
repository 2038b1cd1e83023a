import { readFile } from 'node:fs/promises';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { join } from 'node:path';
import type { Tracer } from '@opentelemetry/api';
import {
  type AdminConfig,
  createLogger,
  type GatewayConfig,
  type ListenAddress,
  listenOn,
} from '@polygate/chassis';
import { type ConfigStore, MemoryStore } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import { controlService, readClientTls, startGrpcServer } from '@polygate/rpc';
import { type KeyRing, makeKeyRing, resolveAdminKeys } from './keys/admin-key.ts';
import { createApp } from './app.ts';
import { encryptedStore } from './store/encrypted-store.ts';
import { ControlService } from './control/control-service.ts';
import { KnownPlugins } from './plugins/known-plugins.ts';
import type { PluginNames } from './plugins/plugin-set.ts';
import { PluginSets } from './plugins/plugin-sets.ts';
import { RunnerManagers } from './runners/runner-managers.ts';

export interface AdminApiOptions {
  readonly config: GatewayConfig;
  /** Stays open: who made it closes it. */
  readonly store: ConfigStore;
  readonly log: Logger;
  /** Where writes leave their line. Default: with the log, whatever its level is. */
  readonly auditLog?: Logger;
  /** Reads the plugin lists of the configuration file again; rejects when they break a rule. */
  readonly loadPluginList: () => Promise<PluginNames> | PluginNames;
  readonly tracer?: Tracer | undefined;
}

export interface AdminApi {
  readonly address: ListenAddress;
  /** Where data planes dial: `unix:<path>` or `host:port`. */
  readonly controlAddress: string;
  /** Resolves when the store answered, and rejects with its StoreError when it did not. */
  checkStore(): Promise<void>;
  /** Answers what is under way, for `graceMs` at most. Safe to call twice. */
  stop(graceMs?: number): Promise<void>;
}

const CONNECTIONS_MAX = 1024;
const REQUEST_TIMEOUT_MS = 60_000;

/**
 * Starts the Admin API and the control side on the addresses of the configuration. The store need
 * not be reachable yet: what needs it is answered with 503 until it is. Rejects when an address
 * cannot be bound, the admin key cannot be kept or `allow_admin` holds no CIDR.
 */
export async function startAdminApi(options: AdminApiOptions): Promise<AdminApi> {
  const { config, log, loadPluginList, tracer } = options;
  const known = await KnownPlugins.load(config, log);
  const store = encryptedStore({
    store: options.store,
    encryption: config.dataEncryption,
    plugins: () => known.definitions,
    log,
  });
  const standaloneStore = options.store instanceof MemoryStore ? options.store : undefined;
  warnOfPublicKeyring(config, log);
  const plugins = new PluginSets({
    known,
    initial: config,
    load: async () => loadPluginList(),
    store,
    log,
  });
  const control = new ControlService({ log });
  plugins.onReload(({ generation, names }) =>
    control.reloadPlugins({ generation, names: [...names] }),
  );
  const keyRing = await openKeyRing(config, log);
  const stores = { store, rawStore: options.store, standaloneStore };
  const { logFormat: format } = config.polygate;
  const auditLog =
    options.auditLog ?? createLogger({ level: 'info', format, service: 'admin-api' });
  const { addresses, addressTls } = config.polygate.runnerManager;
  const runnerManagers = new RunnerManagers(addresses, addressTls && readClientTls(addressTls));
  const app = createApp({
    config,
    ...stores,
    log,
    auditLog,
    plugins,
    control,
    runnerManagers,
    keyRing,
    tracer,
  });

  const handle = app.callback();
  const server = await makeServer(config.admin, (request, response) => {
    void handle(request, response);
  });
  const grpc = await startGrpcServer({
    address: config.polygate.control.listen,
    services: [controlService(control.implementation)],
  });
  const { host } = config.admin.listen;
  const port = await listenOn(server, { ...config.admin.listen }).catch(async (error: unknown) => {
    await grpc.stop(0);
    throw error;
  });
  const corrected = plugins.correctStored();
  known.watch(() => void plugins.takeKnown());

  return {
    address: { host, port },
    controlAddress: grpc.address,
    checkStore: async () => void (await store.get('/plugins')),
    stop: async (graceMs = config.polygate.shutdownGraceMs) => {
      known.close();
      control.close();
      runnerManagers.close();
      await Promise.all([closeServer(server, graceMs), grpc.stop(graceMs), corrected]);
    },
  };
}

/** APISIX's defaults: whoever reads its source can decrypt what they encrypt. */
const PUBLIC_KEYS: ReadonlySet<string | undefined> = new Set([
  'qeddd145sfvddff3',
  'edd1c9f0985e76a2',
]);

function warnOfPublicKeyring({ dataEncryption }: GatewayConfig, log: Logger): void {
  if (!dataEncryption.enabled || !PUBLIC_KEYS.has(dataEncryption.keyring[0])) return;
  log.warn(
    'secrets in the configuration are encrypted with a key that is publicly known, as in APISIX: ' +
      'put one of your own in front of apisix.data_encryption.keyring',
  );
}

async function openKeyRing(config: GatewayConfig, log: Logger): Promise<KeyRing | undefined> {
  const { keyRequired, keys: configured } = config.admin;
  if (!keyRequired) {
    log.warn('Admin key is bypassed! Set admin_key_required and a secure admin key in production.');
    return undefined;
  }
  const file = join(config.polygate.dataDir, 'admin.key');
  return makeKeyRing(await resolveAdminKeys({ configured, file, log }));
}

async function makeServer(
  admin: AdminConfig,
  listener: Parameters<typeof createHttpServer>[1],
): Promise<Server> {
  const server = admin.https
    ? createHttpsServer(await readTls(admin), listener)
    : createHttpServer(listener);
  server.maxConnections = CONNECTIONS_MAX;
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  return server;
}

/** With `admin_ssl_ca_cert` only clients whose certificate it signed get in. */
async function readTls({ certFile, keyFile, clientCaFile }: AdminConfig) {
  if (certFile === undefined || keyFile === undefined) {
    throw new Error('https_admin needs admin_ssl_cert and admin_ssl_cert_key');
  }
  const [cert, key] = await Promise.all([readFile(certFile), readFile(keyFile)]);
  if (clientCaFile === undefined) return { cert, key };
  const ca = await readFile(clientCaFile);
  return { cert, key, ca, requestCert: true, rejectUnauthorized: true };
}

function closeServer(server: Server, graceMs: number): Promise<void> {
  if (!server.listening) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}
