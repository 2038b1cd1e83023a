import type { ConfigItem, ConfigUpdate } from '../config/config-item.ts';
import { upstreamIn } from '../upstream/upstream-in.ts';
import { serviceKey, serviceOf } from './discovery-messages.ts';
import type { ServiceName } from './discovery-messages.ts';

/** The services that routes, services and upstreams name, each once. */
export class ConfiguredServices {
  /** By object, `upstreams/1`. */
  readonly #services = new Map<string, ServiceName>();

  apply({ reset, puts, deletes }: ConfigUpdate): void {
    if (reset) this.#services.clear();
    for (const item of deletes) this.#services.delete(keyOf(item));
    for (const item of puts) {
      const upstream = upstreamIn(item);
      if (upstream?.service_name === undefined) this.#services.delete(keyOf(item));
      else this.#services.set(keyOf(item), serviceOf(upstream));
    }
  }

  of(type: string): readonly ServiceName[] {
    const services = [...this.#services.values()].filter((service) => service.type === type);
    return [...new Map(services.map((service) => [serviceKey(service), service])).values()];
  }
}

function keyOf({ kind, id }: Pick<ConfigItem, 'kind' | 'id'>): string {
  return `${kind}/${id}`;
}
