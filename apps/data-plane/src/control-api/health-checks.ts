import type { LocalReply } from '@polygate/plugin-sdk';
import type { ConfigItem } from '../config/config-item.ts';
import type { ControlView } from './control-view.ts';
import { renderHealthPage } from './health-page.ts';
import { jsonList } from './json-list.ts';
import { keyOf } from './show-item.ts';

/** One node as a health check sees it, in the words of lua-resty-healthcheck. */
export interface CheckedNode {
  readonly ip: string;
  readonly port: number;
  readonly hostname?: string;
  readonly status: 'healthy' | 'mostly_healthy' | 'mostly_unhealthy' | 'unhealthy';
  readonly counter: {
    readonly success: number;
    readonly tcp_failure: number;
    readonly http_failure: number;
    readonly timeout_failure: number;
  };
}

/** One object with health checks. */
export interface CheckStatus {
  /** `/apisix/upstreams/1` */
  readonly name: string;
  /** `http`, `https` or `tcp`. */
  readonly type: string | undefined;
  readonly nodes: readonly CheckedNode[];
}

interface Checks {
  readonly active?: { readonly type?: string };
  readonly passive?: { readonly type?: string };
}

/** Kinds that may have checks, in the order of their listing. */
const CHECKED_KINDS = ['routes', 'services', 'upstreams'] as const;
type CheckedKind = (typeof CHECKED_KINDS)[number];

/** `GET /v1/healthcheck` */
export function healthOfAll(view: ControlView, accept: string | undefined): LocalReply {
  const items = view.items();
  const statuses = CHECKED_KINDS.flatMap((kind) =>
    items.flatMap((item) => (item.kind === kind ? (statusOf(item, view) ?? []) : [])),
  );
  return page(statuses, accept) ?? { status: 200, body: jsonList(statuses.map(encoded)) };
}

/** `GET /v1/healthcheck/<kind>/<id>` */
export function healthOfOne(
  view: ControlView,
  { kind, id, accept }: Readonly<Record<'kind' | 'id' | 'accept', string | undefined>>,
): LocalReply {
  if (id === undefined) return refusal(404, `missing src id for src type ${kind ?? ''}`);
  // APISIX knows stream routes too; there are none here.
  if (kind === 'stream_routes') return refusal(404, `stream_routes[${id}] not found`);
  if (!isChecked(kind)) return refusal(400, `invalid src type ${kind ?? ''}`);
  const item = view.items().find((one) => one.kind === kind && one.id === id);
  if (item === undefined) return refusal(404, `${kind}[${id}] not found`);
  const status = statusOf(item, view);
  if (status === undefined) return refusal(404, `no checker for ${kind}[${id}]`);
  return page([status], accept) ?? { status: 200, body: encoded(status) };
}

function statusOf(item: ConfigItem, view: ControlView): CheckStatus | undefined {
  const value = item.value as { checks?: Checks; upstream?: { checks?: Checks } };
  const checks = value.checks ?? value.upstream?.checks;
  if (checks === undefined) return undefined;
  return {
    name: keyOf(item, view.source),
    type: checks.active?.type ?? checks.passive?.type,
    nodes: view.checkedNodes(item),
  };
}

function encoded(status: CheckStatus): object {
  return { ...status, nodes: jsonList(status.nodes) };
}

/** For browsers. */
function page(
  statuses: readonly CheckStatus[],
  accept: string | undefined,
): LocalReply | undefined {
  if (accept?.includes('text/html') !== true) return undefined;
  return {
    status: 200,
    headers: { 'Content-Type': 'text/html' },
    body: renderHealthPage(statuses),
  };
}

function isChecked(kind: string | undefined): kind is CheckedKind {
  return (CHECKED_KINDS as readonly (string | undefined)[]).includes(kind);
}

function refusal(status: number, message: string): LocalReply {
  return { status, body: { error_msg: message } };
}
