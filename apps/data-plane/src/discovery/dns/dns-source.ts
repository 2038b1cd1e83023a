import { readFileSync } from 'node:fs';
import { isIP, isIPv6 } from 'node:net';
import type { DnsDiscoveryConfig } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import { isDenial } from '../../dns/name-servers.ts';
import { SystemNames } from '../../dns/system-names.ts';
import type { ServiceAnswer } from '../../upstream/discovered-upstream.ts';
import { DnsRecords } from './dns-records.ts';
import type { ServiceRecord } from './dns-records.ts';
import type { RegistryLog, ServiceSource, SourceEvents } from '../service-source.ts';

const TTL_MS_MIN = 1000;
const TTL_MS_MAX = 3_600_000;
const RETRY_MS_MIN = 1000;
const RETRY_MS_MAX = 10_000;

/** A name that some worker needs. */
interface WantedName {
  answer: ServiceAnswer | undefined;
  retryMs: number;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Nodes by name: A, AAAA and SRV records, as `service_name: host` or `host:port`, which overrules
 * the records' port (apisix/discovery/dns/init.lua). What is needed is asked for anew when it is too
 * old, in the background.
 */
export class DnsSource implements ServiceSource {
  readonly isReady = true;
  readonly #records: DnsRecords;
  readonly #events: SourceEvents;
  readonly #log: RegistryLog;
  readonly #wanted = new Map<string, WantedName>();

  constructor(
    { servers, resolvConf, order }: DnsDiscoveryConfig,
    { ipv6, log }: { readonly ipv6: boolean; readonly log: RegistryLog },
    events: SourceEvents,
  ) {
    this.#events = events;
    this.#log = log;
    // As in APISIX `/etc/hosts` has no say here.
    const names = new SystemNames({
      hosts: '/dev/null',
      ...(resolvConf !== undefined && { resolv: resolvConf }),
    });
    this.#records = new DnsRecords({
      servers: servers ?? serversIn(resolvConf ?? ''),
      names,
      order: ipv6 ? order : order.filter((type) => type !== 'AAAA'),
    });
  }

  find(name: string): ServiceAnswer | undefined {
    return this.#wanted.get(name)?.answer;
  }

  want(name: string): void {
    if (this.#wanted.has(name)) return;
    this.#wanted.set(name, { answer: undefined, retryMs: RETRY_MS_MIN, timer: undefined });
    void this.#ask(name);
  }

  unwant(name: string): void {
    clearTimeout(this.#wanted.get(name)?.timer);
    this.#wanted.delete(name);
  }

  close(): void {
    for (const name of [...this.#wanted.keys()]) this.unwant(name);
  }

  /** Never rejects. */
  async #ask(name: string): Promise<void> {
    const wanted = this.#wanted.get(name);
    if (wanted === undefined) return;
    let waitMs: number;
    try {
      const { host, port } = splitService(name);
      const { records, ttlMs } = await this.#records.resolve(host);
      wanted.answer = { nodes: records.map((record) => nodeOf(record, port)) };
      wanted.retryMs = RETRY_MS_MIN;
      waitMs = Math.min(Math.max(ttlMs, TTL_MS_MIN), TTL_MS_MAX);
    } catch (error) {
      waitMs = wanted.retryMs;
      wanted.retryMs = Math.min(waitMs * 2, RETRY_MS_MAX);
      const reason = `failed to query the DNS server: ${(error as Error).message}`;
      this.#log.error(`discovery of ${name}: ${reason}`);
      const isKnown = wanted.answer !== undefined && 'nodes' in wanted.answer;
      // nobody to ask is no reason to forget what is known; that there is no such name is one
      if (!isKnown || isDenial(error)) {
        wanted.answer = { failure: `no valid upstream node: ${reason}` };
      }
    }
    if (this.#wanted.get(name) !== wanted) return;
    wanted.timer = setTimeout(() => void this.#ask(name), waitMs).unref();
    this.#events.onChange(name);
  }
}

function nodeOf(record: ServiceRecord, port: number | undefined): UpstreamNode {
  const nodePort = port ?? (record.port === 0 ? undefined : record.port);
  return {
    host: record.address,
    weight: record.weight,
    ...(nodePort !== undefined && { port: nodePort }),
    // of SRV records those of the least number come first, of nodes those of the greatest
    ...(record.priority !== undefined && { priority: -record.priority }),
  };
}

/** `host`, `host:port`, `[v6]:port`. */
function splitService(name: string): { host: string; port: number | undefined } {
  const [, host, port] = /^(.+?):(\d{1,5})$/.exec(name) ?? [];
  if (host === undefined || isIPv6(name)) return { host: name, port: undefined };
  return { host, port: Number(port) };
}

/** `nameserver` lines of a resolv.conf. Throws where the file cannot be read or has none. */
function serversIn(file: string): readonly string[] {
  const servers = readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => serverIn(/^\s*nameserver\s+(\S+)/.exec(line)?.[1] ?? '') ?? []);
  if (servers.length === 0) throw new Error(`discovery.dns.resolv_conf: ${file} names no server`);
  return servers;
}

/** `1.2.3.4`, `1.2.3.4:53`, `::1`, `[::1]`, `[::1]:53`, as node:dns takes it. */
function serverIn(written: string): string | undefined {
  if (isIP(written) !== 0) return written;
  const [, bracketed, plain, port = '53'] =
    /^(?:\[(.+)\]|([\d.]+))(?::(\d{1,5}))?$/.exec(written) ?? [];
  const address = bracketed ?? plain ?? '';
  if (isIP(address) === 0) return undefined;
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}
