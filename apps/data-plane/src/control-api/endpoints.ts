import type { ResourceKind } from '@polygate/model';
import type { LocalReply } from '@polygate/plugin-sdk';
import type { ConfigItem } from '../config/config-item.ts';
import { parseQuery } from '../request/query.ts';
import type { ControlView } from './control-view.ts';
import { describeSchemas } from './describe-schemas.ts';
import { healthOfAll, healthOfOne } from './health-checks.ts';
import { jsonList } from './json-list.ts';
import { showItem } from './show-item.ts';
import { showRunners } from './show-runners.ts';

export interface ControlRequest {
  readonly method: string;
  /** Decoded, without query. */
  readonly path: string;
  /** As it came, without `?`. */
  readonly query?: string;
  /** The Accept header. */
  readonly accept: string | undefined;
}

interface Endpoint {
  readonly method: 'GET' | 'POST' | 'PUT';
  /** With `/*` at its end it stands for everything below. */
  readonly path: string;
  /** `segments`: of the path below `/v1`, as `['route', '1']`. */
  answer(
    view: ControlView,
    segments: readonly (string | undefined)[],
    request: ControlRequest,
  ): LocalReply | Promise<LocalReply>;
}

const NOT_FOUND: LocalReply = { status: 404 };

/** apisix/control/v1.lua, and the one endpoint of server-info. */
const ENDPOINTS: readonly Endpoint[] = [
  {
    method: 'GET',
    path: '/v1/schema',
    answer: (view) => ({
      status: 200,
      body: describeSchemas(view.plugins(), view.streamPlugins()),
    }),
  },
  {
    method: 'GET',
    path: '/v1/healthcheck',
    answer: (view, _, { accept }) => healthOfAll(view, accept),
  },
  {
    method: 'GET',
    path: '/v1/healthcheck/*',
    answer: (view, [, kind, id], { accept }) => healthOfOne(view, { kind, id, accept }),
  },
  {
    method: 'POST',
    path: '/v1/gc',
    answer: (view) => view.collectGarbage().then(() => ({ status: 200 })),
  },
  ...listAndOne('routes', 'route'),
  ...listAndOne('services', 'service'),
  ...listAndOne('upstreams', 'upstream'),
  { method: 'GET', path: '/v1/plugin_metadatas', answer: (view) => allMetadata(view) },
  {
    method: 'GET',
    path: '/v1/plugin_metadata/*',
    answer: (view, [, name = '']) => oneMetadata(view, name),
  },
  {
    method: 'GET',
    path: '/v1/runners',
    answer: (view) =>
      view.runners().then((reports) => ({ status: 200, body: showRunners(reports) })),
  },
  {
    method: 'GET',
    path: '/v1/discovery/*',
    answer: (view, [, type = '', what, ...more]) => discovery(view, type, more.length ? '' : what),
  },
  { method: 'PUT', path: '/v1/plugins/reload', answer: (view) => reloadPlugins(view) },
  {
    method: 'GET',
    path: '/v1/server_info',
    answer: (view) =>
      view.plugins().some(({ name }) => name === 'server-info')
        ? { status: 200, body: view.serverInfo() }
        : NOT_FOUND,
  },
];

/** 404 without a body of our own for what is no endpoint, also for another method, as in APISIX. */
export function dispatch(
  request: ControlRequest,
  view: ControlView,
): LocalReply | Promise<LocalReply> {
  const endpoint = ENDPOINTS.find(
    ({ method, path }) => method === request.method && matches(path, request.path),
  );
  if (endpoint === undefined) return askPlugins(request, view);
  return endpoint.answer(view, request.path.split('/').slice(2), request);
}

async function askPlugins(
  { method, path, query = '' }: ControlRequest,
  view: ControlView,
): Promise<LocalReply> {
  const endpoint = (await view.pluginEndpoints()).find(
    (one) => one.path === path && one.methods.includes(method),
  );
  return endpoint?.handle({ method, path, query: parseQuery(query) }) ?? NOT_FOUND;
}

function matches(pattern: string, path: string): boolean {
  return pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}

function listAndOne(kind: ResourceKind, singular: string): readonly Endpoint[] {
  const shown = (view: ControlView, item: ConfigItem): object => showItem(item, view.source);
  return [
    {
      method: 'GET',
      path: `/v1/${kind}`,
      answer: (view) => ({
        status: 200,
        body: jsonList(itemsOf(view, kind).map((item) => shown(view, item))),
      }),
    },
    {
      method: 'GET',
      path: `/v1/${singular}/*`,
      answer(view, [, id = '']) {
        const item = itemsOf(view, kind).find((one) => one.id === id);
        return item === undefined
          ? missing(`${singular}[${id}] not found`)
          : { status: 200, body: shown(view, item) };
      },
    },
  ];
}

/** Those of enabled plugins, in the order of the list that enables them. */
function allMetadata(view: ControlView): LocalReply {
  const byName = new Map(itemsOf(view, 'plugin_metadata').map((item) => [item.id, item]));
  const shown = view.listed().flatMap((name) => byName.get(name) ?? []);
  return { status: 200, body: jsonList(shown.map(withId)) };
}

function oneMetadata(view: ControlView, name: string): LocalReply {
  const item = itemsOf(view, 'plugin_metadata').find(({ id }) => id === name);
  return item === undefined
    ? missing(`plugin metadata[${name}] not found`)
    : { status: 200, body: withId(item) };
}

/** apisix/control/v1.lua: what a registry has to show is its own business. */
function discovery(view: ControlView, type: string, what: string | undefined): LocalReply {
  if (what === 'show_dump_file') return view.registry(type)?.showDumpFile?.() ?? NOT_FOUND;
  const dump = what === 'dump' ? view.registry(type)?.dump?.() : undefined;
  return dump === undefined ? NOT_FOUND : { status: 200, body: dump };
}

async function reloadPlugins(view: ControlView): Promise<LocalReply> {
  try {
    await view.reloadPlugins();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    return { status: 503, body: { error_msg: `failed to reload plugins: ${reason}` } };
  }
  return { status: 200, body: 'done' };
}

function itemsOf(view: ControlView, kind: ResourceKind): readonly ConfigItem[] {
  return view.items().filter((item) => item.kind === kind);
}

function withId({ id, value }: ConfigItem): object {
  return { ...(value as object), id };
}

function missing(message: string): LocalReply {
  return { status: 404, body: { error_msg: message } };
}
