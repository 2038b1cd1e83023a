import { RedisConnectError } from './redis-connection.ts';
import type { RedisAccess, RedisAddress, RedisCommand } from './redis-connection.ts';
import type { RedisClient } from './redis-client.ts';
import { RedisReplyError } from './redis-reply.ts';
import type { RedisReply } from './redis-reply.ts';
import { RedisServer } from './redis-server.ts';

const SLOTS = 16_384;
const REDIRECTS_MAX = 5;
/** How many nodes are asked for the slots at once. */
const ASKED_MAX = 8;
/** The map is not asked for more often. */
const LOAD_MS_MIN = 200;

/**
 * Commands of one key each, sent to the node that has the key's slot. The map of slots is asked of
 * all known nodes at once (the first answer counts) when there is none, when a node sends
 * elsewhere, and when one cannot be reached, which is how a failover is noticed.
 */
export class RedisCluster implements RedisClient {
  readonly #access: RedisAccess;
  readonly #seeds: readonly string[];
  readonly #servers = new Map<string, RedisServer>();
  #slots: (string | undefined)[] | undefined;
  #loading: Promise<void> | undefined;
  #loadedMs = -Infinity;

  constructor(seeds: readonly RedisAddress[], access: RedisAccess) {
    this.#access = access;
    this.#seeds = seeds.map(nameOf);
  }

  async send(key: string, command: RedisCommand): Promise<RedisReply> {
    if (this.#slots === undefined) await this.#load();
    const slot = slotOf(key);
    let node = this.#nodeOf(slot);
    let isAsking = false;
    let hasReloaded = false;
    for (let redirects = 0; ; redirects++) {
      const server = this.#server(node);
      try {
        return await (isAsking ? server.sendAsking(command) : server.send(command));
      } catch (error) {
        if (redirects >= REDIRECTS_MAX) throw error;
        isAsking = false;
        const to = redirectOf(error, node);
        if (to !== undefined) {
          node = to.node;
          isAsking = to.isAsking;
          if (!isAsking) this.#moved(slot, node);
        } else if (error instanceof RedisReplyError) {
          throw error;
        } else {
          // another node may have the slot by now; what was sent is not sent twice
          const reloaded = this.#reloaded();
          const isUnsent = error instanceof RedisConnectError;
          if (hasReloaded || !isUnsent || !(await reloaded)) throw error;
          hasReloaded = true;
          const next = this.#nodeOf(slot);
          if (next === node) throw error;
          node = next;
        }
      }
    }
  }

  close(): void {
    for (const server of this.#servers.values()) server.close();
  }

  #nodeOf(slot: number): string {
    const node = this.#slots?.[slot];
    if (node === undefined) throw new Error(`no node of the Redis cluster serves slot ${slot}`);
    return node;
  }

  #moved(slot: number, node: string): void {
    if (this.#slots !== undefined) this.#slots[slot] = node;
    void this.#reloaded();
  }

  #server(node: string): RedisServer {
    let server = this.#servers.get(node);
    if (server === undefined) {
      server = new RedisServer(addressOf(node), this.#access);
      this.#servers.set(node, server);
    }
    return server;
  }

  /** Whether the map could be had; false also when it was asked for just now. */
  async #reloaded(): Promise<boolean> {
    const isFresh = performance.now() - this.#loadedMs < LOAD_MS_MIN;
    if (isFresh && this.#loading === undefined) return false;
    return this.#load().then(
      () => true,
      () => false,
    );
  }

  #load(): Promise<void> {
    return (this.#loading ??= this.#askForSlots().finally(() => {
      this.#loading = undefined;
      this.#loadedMs = performance.now();
    }));
  }

  async #askForSlots(): Promise<void> {
    const nodes = new Set([...new Set(this.#slots), ...this.#seeds]);
    const asked = [...nodes].filter((node) => node !== undefined).slice(0, ASKED_MAX);
    try {
      this.#slots = await Promise.any(
        asked.map(async (node) => {
          const reply = await this.#server(node).send(['CLUSTER', 'SLOTS']);
          return slotsOf(reply, addressOf(node).host);
        }),
      );
    } catch (error) {
      const [first] = (error as AggregateError).errors as Error[];
      throw new RedisConnectError(`failed to fetch slots: ${first?.message ?? 'no node'}`, {
        cause: error,
      });
    }
    this.#forgetNodes();
  }

  /** Those that left the cluster. */
  #forgetNodes(): void {
    const present = new Set([...new Set(this.#slots), ...this.#seeds]);
    for (const [node, server] of this.#servers) {
      if (present.has(node)) continue;
      server.close();
      this.#servers.delete(node);
    }
  }
}

/**
 * `[[first, last, [host, port, …], …], …]`, as CLUSTER SLOTS has it; the first node is the master.
 */
function slotsOf(reply: RedisReply, askedHost: string): (string | undefined)[] {
  const slots = new Array<string | undefined>(SLOTS).fill(undefined);
  for (const range of listOf(reply)) {
    const [first, last, master] = listOf(range);
    const [host, port] = listOf(master);
    if (typeof first !== 'number' || typeof last !== 'number' || typeof port !== 'number') {
      throw new Error('malformed redis response');
    }
    // a node that does not know its own address
    const name = typeof host === 'string' && host !== '' && host !== '?' ? host : askedHost;
    slots.fill(nameOf({ host: name, port }), first, last + 1);
  }
  return slots;
}

function listOf(reply: RedisReply | undefined): readonly RedisReply[] {
  if (!Array.isArray(reply)) throw new Error('malformed redis response');
  return reply as readonly RedisReply[];
}

/**
 * `MOVED 3999 127.0.0.1:6381`, `ASK 3999 127.0.0.1:6381`; without a host it is the one that was
 * asked.
 */
function redirectOf(error: unknown, node: string): { node: string; isAsking: boolean } | undefined {
  if (!(error instanceof RedisReplyError)) return undefined;
  if (error.code !== 'MOVED' && error.code !== 'ASK') return undefined;
  const [, , to = ''] = error.message.split(' ');
  const { host, port } = addressOf(to);
  return {
    node: nameOf({ host: host === '' ? addressOf(node).host : host, port }),
    isAsking: error.code === 'ASK',
  };
}

function nameOf({ host, port }: RedisAddress): string {
  return `${host}:${port}`;
}

/** `host:port`; the host of an IPv6 address may stand in brackets. */
export function addressOf(name: string): RedisAddress {
  const colon = name.lastIndexOf(':');
  const port = Number(name.slice(colon + 1));
  if (colon === -1 || !Number.isInteger(port)) return { host: name, port: 6379 };
  return { host: name.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port };
}

/**
 * Source: the specification of Redis Cluster: CRC-16/XMODEM, of what is in the first braces, if
 * anything.
 */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
    crc &= 0xffff;
  }
  return crc % SLOTS;
}
