import type { Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { DnsRecordType } from '@polygate/chassis';
import { askInOrder, openNameServers } from '../../dns/name-servers.ts';
import type { Resolved } from '../../dns/name-servers.ts';
import type { SystemNames } from '../../dns/system-names.ts';

/** As apisix/core/dns/client.lua: of one try. */
const TIMEOUT_MS = 2000;
/** node:dns tells no TTL of SRV records: so often they are looked at, or as often as their targets. */
const SRV_TTL_MS = 10_000;
/** Names whose type of record is remembered. */
const LAST_MAX = 10_000;

export interface ServiceRecord {
  readonly address: string;
  /** Undefined: the records tell none. */
  readonly port: number | undefined;
  readonly weight: number;
  /** Of SRV records: the least number comes first. */
  readonly priority: number | undefined;
}

export interface DnsRecordsOptions {
  readonly servers: readonly string[];
  /** Of incomplete names. */
  readonly names: SystemNames;
  readonly order: readonly DnsRecordType[];
}

/** Records of services, of the first type in `order` that a name has: apisix/core/dns/client.lua. */
export class DnsRecords {
  readonly #resolver: Resolver;
  readonly #options: DnsRecordsOptions;
  /** By name, the type that it had last time. */
  readonly #last = new Map<string, DnsRecordType>();

  constructor(options: DnsRecordsOptions) {
    this.#options = options;
    this.#resolver = openNameServers({ servers: options.servers, timeoutMs: TIMEOUT_MS });
  }

  /** Rejects with the error that says most. */
  async resolve(name: string): Promise<Resolved<ServiceRecord>> {
    if (isIP(name) !== 0) return { records: [plain(name)], ttlMs: Infinity };
    const candidates = this.#options.names.candidatesOf(name.toLowerCase());
    return askInOrder(candidates, (candidate) => this.#firstOf(candidate));
  }

  async #firstOf(name: string): Promise<Resolved<ServiceRecord>> {
    const { order } = this.#options;
    const last = this.#last.get(name);
    const types = new Set(order.flatMap((type) => (type === 'last' ? (last ?? []) : type)));
    let failure: unknown = new Error(`no type of record to ask ${name} for`);
    for (const type of types) {
      try {
        const resolved = await this.#ask(name, type);
        if (this.#last.size < LAST_MAX) this.#last.set(name, type);
        return resolved;
      } catch (error) {
        if (isSilence(error)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #ask(name: string, type: DnsRecordType): Promise<Resolved<ServiceRecord>> {
    if (type === 'SRV') return this.#askServices(name);
    if (type === 'CNAME') {
      const [target = ''] = await this.#resolver.resolveCname(name);
      return this.#addressesOf(target);
    }
    const found =
      type === 'AAAA'
        ? await this.#resolver.resolve6(name, { ttl: true })
        : await this.#resolver.resolve4(name, { ttl: true });
    return {
      records: found.map(({ address }) => plain(address)),
      ttlMs: Math.min(...found.map(({ ttl }) => ttl)) * 1000,
    };
  }

  /** A target's weight is shared by its addresses, all weights multiplied so that they stay whole. */
  async #askServices(name: string): Promise<Resolved<ServiceRecord>> {
    const services = await this.#resolver.resolveSrv(name);
    const targets = await Promise.all(
      services.map(async (service) => ({ service, ...(await this.#addressesOf(service.name)) })),
    );
    const multiple = targets.reduce((lcm, { records }) => lcmOf(lcm, records.length), 1);
    return {
      records: targets.flatMap(({ service, records }) =>
        records.map(({ address }) => ({
          address,
          port: service.port,
          weight: ((service.weight || 1) * multiple) / records.length,
          priority: service.priority,
        })),
      ),
      ttlMs: Math.min(SRV_TTL_MS, ...targets.map(({ ttlMs }) => ttlMs)),
    };
  }

  async #addressesOf(target: string): Promise<Resolved<ServiceRecord>> {
    if (isIP(target) !== 0) return { records: [plain(target)], ttlMs: Infinity };
    const types = this.#options.order.filter((type) => type === 'A' || type === 'AAAA');
    let failure: unknown;
    for (const type of types.length === 0 ? (['A'] as const) : types) {
      try {
        return await this.#ask(target, type);
      } catch (error) {
        failure ??= error;
        if (isSilence(error)) break;
      }
    }
    throw failure;
  }
}

/** A server that does not answer will not do so for another type either. */
function isSilence(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return ['ETIMEOUT', 'ECONNREFUSED', 'ECANCELLED'].includes(code);
}

function plain(address: string): ServiceRecord {
  return { address, port: undefined, weight: 1, priority: undefined };
}

function lcmOf(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y !== 0) [x, y] = [y, x % y];
  return (a / x) * b;
}
