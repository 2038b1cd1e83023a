import type { ResourceId, UpstreamResource } from '@polygate/model';
import type { CompileUpstreamOptions } from '@polygate/plugin-sdk';
import { CertificateTable } from '../tls/certificate-table.ts';
import { compileSsl } from '../tls/certificate.ts';
import type { CompiledSsl } from '../tls/certificate.ts';
import { DEFAULT_TLS_SETTINGS } from '../tls/tls-settings.ts';
import type { TlsSettings } from '../tls/tls-settings.ts';
import { ClientCertificateError, UpstreamTlsCompiler } from '../tls/upstream-tls.ts';
import type { UpstreamTls } from '../tls/upstream-tls.ts';
import { compileUpstream, standingAlone } from '../upstream/compiled-upstream.ts';
import type { CompiledUpstream, UpstreamSurroundings } from '../upstream/compiled-upstream.ts';
import type { ItemOf, ItemStore } from './item-store.ts';

/** Of the configuration file, for both sides of the gateway. */
export interface BuilderTlsOptions {
  readonly settings: TlsSettings;
  /** PEM; undefined: the system's. */
  readonly upstreamAuthorities: readonly string[] | undefined;
}

type Attempt = (
  id: string,
  former: CompiledSsl | undefined,
  compile: () => CompiledSsl,
) => CompiledSsl | undefined;

/** The `ssls` objects, each compiled once a version, and the upstreams that show some of them. */
export class CompiledCertificates {
  readonly #settings: TlsSettings;
  readonly #upstreamTls: UpstreamTlsCompiler;
  readonly #compiled = new Map<string, CompiledSsl>();
  readonly #around: UpstreamSurroundings;
  #table: CertificateTable;

  constructor(
    { settings, upstreamAuthorities }: BuilderTlsOptions = DEFAULT_OPTIONS,
    around: UpstreamSurroundings = standingAlone(),
  ) {
    this.#around = around;
    this.#settings = settings;
    this.#upstreamTls = new UpstreamTlsCompiler(upstreamAuthorities);
    this.#table = new CertificateTable([], settings.fallbackServerName);
  }

  get table(): CertificateTable {
    return this.#table;
  }

  /** `attempt` gives the former version where the new one cannot be compiled. */
  update(ids: ReadonlySet<string>, items: ItemStore, attempt: Attempt): void {
    if (ids.size === 0) return;
    for (const id of ids) {
      const item = items.get('ssls', id);
      const compiled =
        item && attempt(id, this.#compiled.get(id), () => compileSsl(item, this.#settings));
      if (compiled === undefined) this.#compiled.delete(id);
      else this.#compiled.set(id, compiled);
    }
    const { fallbackServerName } = this.#settings;
    this.#table = new CertificateTable([...this.#compiled.values()], fallbackServerName);
  }

  /**
   * An upstream whose client certificate is missing (502) or cannot be used (503) has no nodes, so that
   * nothing goes out without it. `key` is whose it is: `routes/1`.
   */
  compileUpstream(
    resource: UpstreamResource,
    id: string | undefined,
    key = `upstreams/${id ?? ''}`,
    { hostWithoutPort = false }: CompileUpstreamOptions = {},
  ): CompiledUpstream {
    const place = { key, around: this.#around, hostWithoutPort };
    const tls = this.#tlsOf(resource);
    if (tls instanceof Error) {
      const compiled = compileUpstream({ ...resource, nodes: [] }, id, place);
      const empty = { ...compiled, discovered: undefined };
      return tls instanceof ClientCertificateError
        ? { ...empty, problem: tls.message }
        : { ...empty, whyNoNode: `tls.client_cert cannot be used: ${tls.message}` };
    }
    const upstream = compileUpstream(resource, id, place);
    return tls === undefined ? upstream : { ...upstream, tls };
  }

  /** An error: why there is none. */
  #tlsOf(resource: UpstreamResource): UpstreamTls | undefined | Error {
    try {
      return this.#upstreamTls.compile(resource, this.#table);
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    }
  }
}

const DEFAULT_OPTIONS: BuilderTlsOptions = {
  settings: DEFAULT_TLS_SETTINGS,
  upstreamAuthorities: undefined,
};

/** Whether it shows one of these objects to its nodes. */
export function showsCertificate(
  upstream: UpstreamResource | undefined,
  ids: ReadonlySet<string>,
): boolean {
  const id = upstream?.tls?.['client_cert_id'] as ResourceId | undefined;
  return id !== undefined && ids.has(String(id));
}

/** Ids of upstreams that show one of these objects. */
export function upstreamsShowing(
  upstreams: readonly ItemOf<'upstreams'>[],
  ids: ReadonlySet<string>,
): readonly string[] {
  return upstreams.filter(({ value }) => showsCertificate(value, ids)).map(({ id }) => id);
}
