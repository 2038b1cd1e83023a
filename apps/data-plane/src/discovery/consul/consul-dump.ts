import { readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import type { ConsulDiscoveryConfig } from '@polygate/chassis';
import type { UpstreamNode } from '@polygate/model';
import type { RegistryLog } from '../service-source.ts';

export type Services = ReadonlyMap<string, readonly UpstreamNode[]>;

interface DumpFile {
  readonly services?: Readonly<Record<string, readonly UpstreamNode[]>>;
  /** Seconds since 1970. */
  readonly last_update?: number;
}

/** `dump`: what was known is kept in a file, for a start without Consul. */
export class ConsulDump {
  readonly #dump: ConsulDiscoveryConfig['dump'];
  readonly #log: RegistryLog;
  #writing: Promise<void> = Promise.resolve();

  constructor(dump: ConsulDiscoveryConfig['dump'], log: RegistryLog) {
    this.#dump = dump;
    this.#log = log;
  }

  /** Empty where there is no file, or it has expired. */
  load(): Services {
    if (this.#dump?.loadOnInit !== true) return new Map();
    const { path, expireMs } = this.#dump;
    try {
      const { services, last_update } = JSON.parse(readFileSync(path, 'utf8')) as DumpFile;
      if (services === undefined || last_update === undefined) {
        this.#log.warn(`dump file ${path} has no services`);
        return new Map();
      }
      if (expireMs !== 0 && last_update * 1000 + expireMs < Date.now()) {
        this.#log.warn(`dump file: ${path} had expired, ignored it`);
        return new Map();
      }
      return new Map(Object.entries(services).filter(([, nodes]) => Array.isArray(nodes)));
    } catch (error) {
      this.#log.error(`read dump file get error: ${(error as Error).message}`);
      return new Map();
    }
  }

  /** In the background, one after another; the file is whole at any time. */
  save(services: Services): void {
    if (this.#dump === undefined) return;
    const { path, expireMs } = this.#dump;
    const text = JSON.stringify({
      services: Object.fromEntries(services),
      last_update: Math.floor(Date.now() / 1000),
      expire: expireMs / 1000,
    });
    this.#writing = this.#writing
      .then(async () => {
        const beside = `${path}.${process.pid}.new`;
        await writeFile(beside, text);
        await rename(beside, path);
      })
      .catch((error: unknown) =>
        this.#log.error(`write dump into file got error: ${(error as Error).message}`),
      );
  }

  show(): { status: number; body: string } {
    if (this.#dump === undefined) return { status: 503, body: 'dump params is nil' };
    try {
      return { status: 200, body: readFileSync(this.#dump.path, 'utf8') };
    } catch (error) {
      return { status: 503, body: (error as Error).message };
    }
  }
}
