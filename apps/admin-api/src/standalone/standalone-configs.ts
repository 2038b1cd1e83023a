import { type MemoryStore, readStandalone } from '@polygate/config-store';
import { stringify } from 'yaml';
import { type Answer, refusal } from '../answer.ts';
import { isJsonObject, type JsonObject } from '../json-object.ts';
import type { PluginSets } from '../plugins/plugin-sets.ts';
import { CONFIG_KINDS, findFaults, isNothing, versionKey } from '../validate-configs.ts';
import type { WriteRules } from '../writes/validate-write.ts';

export interface StandaloneConfigsOptions {
  readonly store: MemoryStore;
  readonly plugins: PluginSets;
  readonly rules: WriteRules;
}

const LAST_MODIFIED = 'X-Last-Modified';
const DIGEST = 'X-Digest';

/**
 * Standalone mode driven by the Admin API: the configuration is one document in memory, read and
 * replaced as a whole. Source: apisix/admin/standalone.lua.
 */
export class StandaloneConfigs {
  readonly #options: StandaloneConfigsOptions;
  /** With versions, time and digest; undefined before the first write. */
  #document: JsonObject | undefined;

  constructor(options: StandaloneConfigsOptions) {
    this.#options = options;
  }

  /** `accept` as the client sent it: `application/yaml` gets YAML, all else JSON. */
  get(accept: string): Answer {
    const document = this.#document ?? initialDocument();
    if (!accept.startsWith('application/yaml')) {
      const headers = this.#metadata();
      return { status: 200, body: JSON.stringify(document), headers };
    }
    const headers = { 'Content-Type': 'application/yaml', ...this.#metadata() };
    return { status: 200, body: stringify(document).trimEnd(), headers };
  }

  head(): Answer {
    return { status: 200, headers: this.#metadata() };
  }

  /**
   * Takes a whole document. 202 when it is taken, 204 when the digest is that of the one in use,
   * 400 with the first fault otherwise. A kind whose `<kind>_conf_version` is that in use keeps its
   * items; without a version it gets the next one.
   */
  put(document: JsonObject, digest: string): Answer {
    const { store, plugins, rules } = this.#options;
    if (this.#document?.[DIGEST] === digest) return { status: 204 };
    const fault = firstFault(document, plugins, rules);
    if (fault !== undefined) return refusal(400, fault);
    const next = merge(this.#document ?? {}, document);
    if (typeof next === 'string') return refusal(400, next);

    const { items } = readStandalone(next);
    const previousRevision = store.revision;
    store.replace(items, { trustsModifiedIndex: true });
    next[LAST_MODIFIED] = Math.floor(Date.now() / 1000);
    next[DIGEST] = digest;
    this.#document = next;
    const written = [{ key: '/', revision: store.revision, previousRevision }];
    return { status: 202, headers: this.#metadata(), written };
  }

  #metadata(): Record<string, string> {
    if (this.#document === undefined) return {};
    return {
      [LAST_MODIFIED]: String(this.#document[LAST_MODIFIED]),
      [DIGEST]: String(this.#document[DIGEST]),
    };
  }
}

function initialDocument(): JsonObject {
  return Object.fromEntries(CONFIG_KINDS.map((kind) => [versionKey(kind), 0]));
}

function firstFault(
  document: JsonObject,
  plugins: PluginSets,
  rules: WriteRules,
): string | undefined {
  for (const kind of CONFIG_KINDS) {
    const version = document[versionKey(kind)] ?? undefined;
    if (version !== undefined && !Number.isFinite(version)) {
      return `${versionKey(kind)} must be a number`;
    }
    const items = document[kind];
    if (isNothing(items)) continue;
    if (kind === 'plugins' && Array.isArray(items)) continue;
    const [fault] = findFaults(kind, withoutIndexes(items), { plugins, rules });
    if (fault !== undefined) return fault.error;
  }
  return undefined;
}

/**
 * For a check of the items: they may say which version they are, but their schemas do not know it.
 */
export function withoutIndexes(items: unknown): unknown {
  if (!Array.isArray(items)) return items;
  return items.map((item: unknown) => {
    if (!isJsonObject(item) || !Number.isSafeInteger(item['modifiedIndex'])) return item;
    return Object.fromEntries(Object.entries(item).filter(([name]) => name !== 'modifiedIndex'));
  });
}

/** The next document without time and digest; a text when a version goes back. */
function merge(before: JsonObject, document: JsonObject): JsonObject | string {
  const next: JsonObject = {};
  for (const kind of CONFIG_KINDS) {
    const key = versionKey(kind);
    const old = Number(before[key] ?? 0);
    const version = Number(document[key] ?? old + 1);
    if (version < old) return `${key} must be greater than or equal to (${old})`;
    next[key] = version;
    const items = version === old ? before[kind] : document[kind];
    if (Array.isArray(items) && items.length > 0) next[kind] = items;
  }
  return next;
}
