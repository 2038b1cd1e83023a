import type { KubernetesDiscoveryConfig } from '@polygate/chassis';
import type { ClusterEndpoints, ClusterObject } from './cluster-endpoints.ts';
import { pause, RegistryClient } from '../registry-http.ts';
import type { RegistryLog } from '../service-source.ts';

const CONNECT_TIMEOUT_MS = 2000;
const LIST_TIMEOUT_MS = 30_000;
/** Objects of one page of a list. */
const PAGE_SIZE = 120;
/** Before all is listed anew. */
const WATCHES_MAX = 8;
/** A watch lasts so long, and up to a third as long again, so that not all end together. */
const WATCH_S = 1809;
const WATCH_S_MORE = 990;
/** What the server may be late by in ending a watch. */
const WATCH_LATE_MS = 120_000;
/** APISIX waits 40 seconds after any failure. */
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 40_000;

export interface ClusterAccess {
  origin(): string;
  /** Throws where it cannot be read. Empty: none is sent. */
  token(): string;
  readonly verify: boolean;
  readonly authorities: readonly string[] | undefined;
}

export interface ClusterWatchParts {
  readonly access: ClusterAccess;
  readonly endpoints: ClusterEndpoints;
  readonly log: RegistryLog;
  readonly onChange: () => void;
}

interface List {
  readonly kind?: string;
  readonly metadata?: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly ClusterObject[] | null;
}

interface WatchEvent {
  readonly type?: string;
  readonly object?: ClusterObject & { readonly code?: number; readonly message?: string };
}

/** The server no longer knows the version that the watch was to go on from. */
class VersionGone extends Error {}

/**
 * Lists and watches the endpoints of one cluster, for ever:
 * apisix/discovery/kubernetes/informer_factory.lua. What is known stays while the server is lost.
 */
export class ClusterWatch {
  readonly #parts: ClusterWatchParts;
  readonly #config: KubernetesDiscoveryConfig;
  readonly #abort = new AbortController();
  readonly #path: string;
  readonly #listKind: string;
  #version = '';
  #retryMs = RETRY_MS_MIN;
  /** All was listed once. */
  isListed = false;
  hasFailed = false;

  constructor(config: KubernetesDiscoveryConfig, parts: ClusterWatchParts) {
    this.#config = config;
    this.#parts = parts;
    const isOfSlices = config.watchEndpointSlices;
    this.#path = isOfSlices ? '/apis/discovery.k8s.io/v1/endpointslices' : '/api/v1/endpoints';
    this.#listKind = isOfSlices ? 'EndpointSliceList' : 'EndpointsList';
    void this.#run();
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(): Promise<void> {
    const { log, onChange } = this.#parts;
    const { signal } = this.#abort;
    while (!signal.aborted) {
      try {
        await this.#listAndWatch();
      } catch (error) {
        if (signal.aborted) return;
        const isGone = error instanceof VersionGone;
        const waitMs = isGone ? RETRY_MS_MIN : this.#retryMs;
        this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MS_MAX);
        const message = `kubernetes ${this.#config.id ?? ''}: ${(error as Error).message}`;
        if (isGone) log.info(message);
        else log.error(`${message}, trying again after ${waitMs / 1000} seconds`);
        if (!this.hasFailed) {
          this.hasFailed = true;
          onChange();
        }
        await pause(waitMs, signal).catch(() => undefined);
      }
    }
  }

  async #listAndWatch(): Promise<void> {
    const { access } = this.#parts;
    const { verify, authorities } = access;
    const client = new RegistryClient({
      base: access.origin(),
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      verify,
      authorities,
    });
    try {
      await this.#list(client);
      for (let i = 0; i < WATCHES_MAX; i++) {
        const begunMs = performance.now();
        await this.#watch(client);
        // a server that ends watches at once is not asked without end
        const lastedMs = performance.now() - begunMs;
        if (lastedMs < RETRY_MS_MIN) await pause(RETRY_MS_MIN - lastedMs, this.#abort.signal);
      }
    } finally {
      client.close();
    }
  }

  async #list(client: RegistryClient): Promise<void> {
    const { endpoints, onChange } = this.#parts;
    endpoints.beginList();
    let next = '';
    do {
      const query = { limit: String(PAGE_SIZE), ...(next !== '' && { continue: next }) };
      const { status, text } = await client.ask({
        ...this.#call(query),
        readTimeoutMs: LIST_TIMEOUT_MS,
      });
      if (status === 410) throw new VersionGone('the list went out of date');
      if (status !== 200) throw new Error(`list was answered ${status}: ${text.slice(0, 200)}`);
      const list = JSON.parse(text) as List;
      if (list.kind !== this.#listKind) throw new Error(`list has the kind ${String(list.kind)}`);
      for (const item of list.items ?? []) endpoints.put(item);
      this.#version = list.metadata?.resourceVersion ?? '';
      next = list.metadata?.continue ?? '';
    } while (next !== '');
    endpoints.endList();
    this.isListed = true;
    onChange();
  }

  async #watch(client: RegistryClient): Promise<void> {
    const seconds = WATCH_S + Math.floor(Math.random() * WATCH_S_MORE);
    const query = {
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
      ...(this.#version !== '' && { resourceVersion: this.#version }),
    };
    const readTimeoutMs = seconds * 1000 + WATCH_LATE_MS;
    const { status, text } = await client.lines({ ...this.#call(query), readTimeoutMs }, (line) => {
      this.#take(JSON.parse(line) as WatchEvent);
      return true;
    });
    if (status === 410) throw new VersionGone('the watch is out of date');
    if (status !== 200) throw new Error(`watch was answered ${status}: ${text.slice(0, 200)}`);
  }

  /** Throws for an event that ends the watch. */
  #take({ type, object }: WatchEvent): void {
    const { endpoints, onChange } = this.#parts;
    if (type === undefined || object === undefined) throw new Error('watch: no event');
    if (type === 'ERROR') {
      if (object.code === 410) throw new VersionGone('the watch went out of date');
      throw new Error(`watch: ${object.code ?? ''} ${object.message ?? ''}`);
    }
    this.#version = object.metadata?.resourceVersion ?? this.#version;
    this.#retryMs = RETRY_MS_MIN;
    if (type === 'ADDED' || type === 'MODIFIED') endpoints.put(object);
    else if (type === 'DELETED') endpoints.remove(object);
    else return;
    onChange();
  }

  #call(query: Record<string, string>): {
    path: string;
    headers: Record<string, string>;
    signal: AbortSignal;
  } {
    const { labelSelector = '', namespaceSelector } = this.#config;
    const { equal, not_equal: notEqual } = namespaceSelector ?? {};
    const fields =
      equal !== undefined
        ? `metadata.namespace=${equal}`
        : notEqual !== undefined
          ? `metadata.namespace!=${notEqual}`
          : '';
    const all = new URLSearchParams({
      ...query,
      ...(labelSelector !== '' && { labelSelector }),
      ...(fields !== '' && { fieldSelector: fields }),
    });
    const token = this.#parts.access.token();
    const headers = {
      Accept: 'application/json',
      ...(token !== '' && { Authorization: `Bearer ${token}` }),
    };
    return { path: `${this.#path}?${all.toString()}`, headers, signal: this.#abort.signal };
  }
}
