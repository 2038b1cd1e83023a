import { HeaderList } from '@polygate/plugin-sdk';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { validateResource } from '@polygate/model';
import type { ResourceKind } from '@polygate/model';
import { loadPlugins } from '@polygate/plugins';
import { PLUGIN_DEFINITIONS } from '@polygate/plugins/definitions';
import { memoryExternalPlugins, memorySettings } from '@polygate/testing';
import type { ConfigItem } from '../../config/config-item.ts';
import { SnapshotBuilder } from '../../config/snapshot-builder.ts';
import { SnapshotHolder } from '../../config/snapshot-holder.ts';
import { WorkerTraffic } from '../../metrics/gateway-metrics.ts';
import { WorkerMetrics } from '../../metrics/worker-metrics.ts';
import type { UpstreamCall, UpstreamTransport } from '../../proxy/upstream-transport.ts';
import { DEFAULT_BODY_LIMITS } from '../../request/body-variables.ts';
import { createFindClient } from '../../request/real-ip.ts';
import type { Gateway } from '../../server/gateway.ts';
import { handleRequest } from '../../server/request-flow.ts';
import { allocateCaches, SharedCacheMemory } from '../../state/shared-cache-memory.ts';
import { allocateCounters, SharedCounters } from '../../state/shared-counters.ts';
import type { CostCase } from './cost-cases.ts';
import { MemoryExchange } from './memory-exchange.ts';

const ANSWER_HEADERS = [
  ...['Content-Type', 'text/plain', 'Date', 'Sun, 22 Nov 2026 12:00:00 GMT'],
  ...['ETag', '"5a0d7f0e"', 'Cache-Control', 'max-age=60'],
];
const REQUEST_HEADERS = [
  ...['Host', 'gateway.test:9080', 'User-Agent', 'curl/8.5.0', 'Accept', '*/*'],
  ...['Referer', 'https://shop.test/chairs', 'Accept-Encoding', 'gzip, br'],
];

/** A worker's gateway, whole but for its sockets: nodes answer at once, out of memory. */
export interface CostGateway {
  /** Serves a request of that case, over its route with the plugin or the one without. */
  serve(one: CostCase, withPlugin: boolean): MemoryExchange;
  /** The last line of its error log. */
  lastError(): string;
}

/** Throws when a conf is refused. */
export async function openCostGateway(cases: readonly CostCase[]): Promise<CostGateway> {
  const names = new Set(cases.flatMap(({ plugin, consumer }) => [plugin, ...keysOf(consumer)]));
  const plugins = await loadPlugins([...names, 'key-auth']);
  const settings = memorySettings({ serverlessJavaScript: true });
  const caches = allocateCaches(settings.proxyCache.zones);
  const metrics = new WorkerMetrics();
  const builder = new SnapshotBuilder({
    routerMode: 'radixtree_host_uri',
    log: silentLog,
    environment: {
      shared: new SharedCounters(allocateCounters(1024)),
      sharedCache: (zone) => {
        const memory = caches.get(zone);
        return memory && new SharedCacheMemory(memory);
      },
      settings,
      metrics,
      external: memoryExternalPlugins(),
      httpsPorts: [],
      logFor: () => silentLog,
      node: nodeOfNobody,
    },
  });
  const attr = Object.fromEntries(cases.map(({ plugin, attr }) => [plugin, attr ?? {}]));
  const { snapshot, disposals, failures } = builder.build(
    {
      revision: 1,
      reset: true,
      puts: itemsOf(cases),
      deletes: [],
      plugins: { generation: 1, names: [...plugins.keys()], attr },
    },
    plugins,
  );
  if (failures.length > 0) throw new Error(JSON.stringify(failures));
  const holder = new SnapshotHolder(() => undefined);
  holder.publish(snapshot, disposals);
  const transport = new MemoryTransport();
  const gateway: Gateway = {
    ...{ holder, transport, log: silentLog, productName: 'Polygate', debugMode: false },
    traffic: new WorkerTraffic(metrics),
    ...{ clientBodyBytesMax: Infinity, bodyBytesMax: 1 << 20, responseHoldBytesMax: 1 << 20 },
    ...{ bodyLimits: DEFAULT_BODY_LIMITS, showUpstreamStatus: false, targetRules: {} },
    ...{ trusted: undefined, trace: undefined, accessLog: undefined },
    findClient: createFindClient({ header: 'X-Real-IP', recursive: false, from: ['127.0.0.1'] }),
  };
  return {
    lastError: () => lastError,
    serve(one, withPlugin) {
      transport.answer = one.answer ?? {};
      const headers = HeaderList.fromRaw([...REQUEST_HEADERS]);
      for (const [name, value] of Object.entries(one.headers ?? {})) headers.append(name, value);
      const query = one.query === undefined ? '' : `?${one.query}`;
      const exchange = new MemoryExchange({
        method: one.method ?? (one.body === undefined ? 'GET' : 'POST'),
        target: `/${withPlugin ? 'with' : 'without'}/${one.plugin}/items/1${query}`,
        headers,
        body: one.body === undefined ? undefined : Buffer.from(one.body),
      });
      handleRequest(exchange, gateway);
      return exchange;
    },
  };
}

/** A route with the plugin and one without, for each case; consumers for those that need some. */
function itemsOf(cases: readonly CostCase[]): ConfigItem[] {
  const upstream = { type: 'roundrobin', nodes: { '127.0.0.1:1980': 1 } };
  return cases.flatMap(({ plugin, conf, consumer, metadata, protos, alsoPlugins }) => {
    const items = [
      item('routes', plugin, {
        uri: `/with/${plugin}/*`,
        upstream,
        plugins: { [plugin]: conf, ...alsoPlugins },
      }),
      item('routes', `${plugin}-without`, {
        uri: `/without/${plugin}/*`,
        upstream,
        ...(alsoPlugins && { plugins: alsoPlugins }),
      }),
    ];
    if (consumer !== undefined) {
      const username = plugin.replaceAll('-', '_');
      items.push(item('consumers', username, { username, plugins: consumer, labels: { t: 'a' } }));
    }
    if (metadata !== undefined) items.push(item('plugin_metadata', plugin, metadata));
    for (const [id, content] of Object.entries(protos ?? {})) {
      items.push(item('protos', id, { content }));
    }
    return items;
  });
}

function item(kind: ResourceKind, id: string, resource: object): ConfigItem {
  const whole = kind === 'consumers' || kind === 'plugin_metadata' ? resource : { id, ...resource };
  const plugins: ReadonlyMap<string, PluginDefinition> = PLUGIN_DEFINITIONS;
  const name = kind === 'plugin_metadata' ? { pluginName: id } : {};
  const { value } = validateResource(kind, whole, { plugins, unknownPlugins: 'reject', ...name });
  return { kind, id, value, createdIndex: 1, modifiedIndex: 1 };
}

const keysOf = (record: object | undefined): string[] => Object.keys(record ?? {});

interface MemoryAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

const HELLO = Buffer.alloc(1024, 'hello world\n');
const CALL: UpstreamCall = {
  ...{ connectTimeMs: 0, bytesSent: 200, bytesReceived: 1300 },
  resume: () => undefined,
  cancel: () => undefined,
};

class MemoryTransport implements UpstreamTransport {
  answer: MemoryAnswer = {};

  send(_request: unknown, receiver: Parameters<UpstreamTransport['send']>[1]): UpstreamCall {
    const { status = 200, headers = {}, body = HELLO } = this.answer;
    const bytes = Buffer.from(body);
    const list = HeaderList.fromRaw([...ANSWER_HEADERS]);
    for (const [name, value] of Object.entries(headers)) list.set(name, value);
    list.set('Content-Length', String(bytes.length));
    receiver.onHead(status, list, false);
    receiver.onChunk(bytes);
    receiver.onEnd(undefined);
    return CALL;
  }

  close(): void {}
}

const nothing = (): void => undefined;
let lastError = '';
const silentLog = {
  ...{ debug: nothing, info: nothing, warn: nothing },
  error: (message: string) => void (lastError = message),
  child: () => silentLog,
} as Gateway['log'];
const nodeOfNobody = {
  id: 'bench',
  connections: () => {
    throw new Error('nobody is connected');
  },
  metricsText: () => Promise.resolve(''),
};
