import type { GatewayConfig } from '@polygate/chassis';
import type { ConfigStore, MemoryStore } from '@polygate/config-store';
import type { Logger } from '@polygate/plugin-sdk';
import type { Tracer } from '@opentelemetry/api';
import Koa from 'koa';
import { refusal } from './answer.ts';
import { explainRoutes } from './explain/explain-routes.ts';
import { type KeyRing } from './keys/admin-key.ts';
import type { ControlService } from './control/control-service.ts';
import { makeEnvelope } from './envelope.ts';
import { type AdminContext, type AdminState, respond } from './middleware/admin-state.ts';
import { allowAddresses } from './middleware/allow-addresses.ts';
import { answerFailures } from './middleware/answer-failures.ts';
import { answerHead } from './middleware/answer-head.ts';
import { FailedKeys } from './keys/failed-keys.ts';
import { auditWrites } from './middleware/audit-writes.ts';
import { authenticate } from './middleware/authenticate.ts';
import { awaitApplied } from './middleware/await-applied.ts';
import { cors } from './middleware/cors.ts';
import { serverHeader } from './middleware/server-header.ts';
import { traceRequests } from './middleware/trace-requests.ts';
import type { PluginSets } from './plugins/plugin-sets.ts';
import { WritePreparer } from './writes/prepare-write.ts';
import { ResourceHandler } from './resource-handler.ts';
import { openApiRoute } from './openapi/openapi-route.ts';
import { dispatchResources } from './routes/dispatch-resources.ts';
import { namedRoutes } from './routes/named-routes.ts';
import type { RunnerManagers } from './runners/runner-managers.ts';
import { runnerRoutes } from './runners/runner-routes.ts';
import { standaloneRoutes } from './standalone/standalone-routes.ts';
import { StandaloneConfigs } from './standalone/standalone-configs.ts';
import { transactionRoutes } from './transactions/transaction-routes.ts';
import { Transactions } from './transactions/transactions.ts';
import type { WriteRules } from './writes/validate-write.ts';

export interface AppOptions {
  readonly config: GatewayConfig;
  readonly store: ConfigStore;
  /** The same, with values as they are stored. */
  readonly rawStore: ConfigStore;
  /** In standalone mode: all there is then is this configuration as a whole. */
  readonly standaloneStore: MemoryStore | undefined;
  readonly log: Logger;
  readonly auditLog: Logger;
  readonly plugins: PluginSets;
  readonly control: ControlService;
  readonly runnerManagers: RunnerManagers;
  /** Undefined: nobody needs a key. */
  readonly keyRing: KeyRing | undefined;
  readonly tracer: Tracer | undefined;
}

/** Everything a request passes, in order. Throws an Error for an `allow_admin` that is no CIDR. */
export function createApp(options: AppOptions): Koa<AdminState> {
  const { config, store, standaloneStore, log, plugins, control, keyRing, tracer } = options;
  const { rawStore } = options;
  const envelope = makeEnvelope(config.admin.apiVersion, config.etcd.prefix);
  const rules: WriteRules = {
    keyring: config.dataEncryption.keyring,
    streamProtocols: new Set(config.xrpcProtocols),
  };
  const preparer = new WritePreparer({ plugins, rules, log });
  const handler = new ResourceHandler({ store, preparer, envelope, log });
  const app = new Koa<AdminState>();
  app.on('error', (error: Error) => log.warn(`an answer could not be sent: ${error.message}`));

  app.use(traceRequests(tracer));
  app.use(answerFailures(log));
  app.use(serverHeader(config.serverTokens));
  app.use(allowAddresses(config.admin.allowCidrs));
  app.use(cors(config.admin.cors));
  app.use(answerHead);
  const { failedKeysMax: failuresMax, failedKeysWindowMs: windowMs } = config.polygate.admin;
  app.use(authenticate(keyRing, new FailedKeys({ failuresMax, windowMs }), log));
  app.use(awaitApplied(standaloneStore === undefined ? control : undefined));
  app.use(auditWrites(options.auditLog));
  const hasStreamMode = config.proxyMode !== 'http';
  app.use(
    openApiRoute(plugins, {
      apiVersion: envelope.version,
      hasStreamMode,
      isStandalone: standaloneStore !== undefined,
      needsKey: keyRing !== undefined,
    }),
  );
  app.use(explainRoutes(control));
  const { runnerManagers, auditLog } = options;
  app.use(runnerRoutes({ managers: runnerManagers, auditLog }));
  if (standaloneStore !== undefined) {
    const configs = new StandaloneConfigs({ store: standaloneStore, plugins, rules });
    app.use(standaloneRoutes({ configs, plugins, rules }));
    app.use((ctx: AdminContext) => respond(ctx, refusal(404, 'not found')));
    return app;
  }
  app.use(namedRoutes({ plugins, control, log, rules }));
  const transactions = new Transactions({ store, rawStore, preparer, hasStreamMode });
  app.use(transactionRoutes(transactions));
  app.use(dispatchResources({ handler, plugins, apiVersion: envelope.version, hasStreamMode }));
  app.use((ctx: AdminContext) => respond(ctx, refusal(404, 'not found')));

  return app;
}
