import { parseDocument, type Tags } from 'yaml';
import { type Environment, substituteDocument, substituteText } from './environment-references.ts';

export type StandaloneFormat = 'yaml' | 'json';

/** An item of the file, not yet with the store's revisions. */
export interface StandaloneItem {
  readonly key: string;
  readonly value: unknown;
  /** As the file says, if it does. */
  readonly modifiedIndex: number | undefined;
}

export interface StandaloneDocument {
  readonly items: readonly StandaloneItem[];
  /** What was left out and why, in sentences. The rest is good. */
  readonly problems: readonly string[];
}

/** The collections of the file; each is a directory in etcd too (apisix/constants.lua). */
export const COLLECTIONS = [
  'routes',
  'services',
  'upstreams',
  'consumers',
  'consumer_groups',
  'plugin_configs',
  'global_rules',
  'plugin_metadata',
  'ssls',
  'protos',
  'secrets',
  'stream_routes',
] as const;

/** APISIX looks at the last ten bytes only. */
const END_MARK_BYTES = 10;

/**
 * Reads the text of `conf/apisix.yaml` or `conf/apisix.json` as apisix/core/config_yaml.lua does:
 * YAML ends with `#END`, so that a file half written is not taken for a whole one; references to
 * the environment are replaced in YAML before and in JSON after parsing. Throws an Error with the
 * reason if the file as a whole is bad.
 */
export function parseStandalone(
  text: string,
  format: StandaloneFormat,
  env: Environment,
): StandaloneDocument {
  const document = format === 'yaml' ? parseYamlFile(text, env) : parseJson(text, env);
  if (!isRecord(document)) throw new Error('the file holds no configuration object');
  return readStandalone(document);
}

/** The items of a document. Throws an Error for a collection that is no list. */
export function readStandalone(document: Readonly<Record<string, unknown>>): StandaloneDocument {
  const items = new Map<string, StandaloneItem>();
  const problems: string[] = [];
  for (const name of COLLECTIONS) {
    const collection = isNothing(document[name]) ? [] : document[name];
    if (!Array.isArray(collection)) throw new Error(`${name} must be a list`);
    collection.forEach((value: unknown, i) => {
      const item = toItem(name, i, value);
      if (typeof item === 'string') problems.push(item);
      // Of two with one id APISIX takes the later.
      else items.set(item.key, item);
    });
  }
  const { plugins } = document;
  if (plugins !== undefined && plugins !== null) {
    items.set('/plugins', {
      key: '/plugins',
      // no plugin at all, unlike a document that does not speak of them
      value: isNothing(plugins) ? [] : plugins,
      modifiedIndex: undefined,
    });
  }
  return { items: [...items.values()], problems };
}

function parseYamlFile(text: string, env: Environment): unknown {
  const tail = Buffer.from(text.slice(-END_MARK_BYTES)).subarray(-END_MARK_BYTES).toString();
  if (!/#END\s*$/.test(tail)) throw new Error('missing valid end flag');
  return parseYaml(substituteText(text, env));
}

/**
 * YAML as libyaml reads it, which APISIX uses: version 1.1 (`yes` is true), the last of equal keys,
 * dates and the like as texts, nothing (`key-auth:`) as an empty mapping. Throws an Error with place
 * and reason.
 */
export function parseYaml(text: string): unknown {
  const document = parseDocument(text, {
    version: '1.1',
    uniqueKeys: false,
    customTags: (tags) => tags.filter(isPlain),
  });
  const [error] = document.errors;
  if (error) throw new Error(error.message, { cause: error });
  return document.toJS({ reviver: (_key, value: unknown) => value ?? {} });
}

const NOT_PLAIN = ['timestamp', 'binary', 'omap', 'pairs', 'set'].map(
  (name) => `tag:yaml.org,2002:${name}`,
);

function isPlain(tag: Tags[number]): boolean {
  return typeof tag === 'string' || !NOT_PLAIN.includes(tag.tag);
}

function parseJson(text: string, env: Environment): unknown {
  return substituteDocument(JSON.parse(text), env);
}

/** The item, or why there is none. `i` counts from 0, ids made from it as in Lua from 1. */
function toItem(collection: string, i: number, value: unknown): StandaloneItem | string {
  const place = `${collection}/${i + 1}`;
  if (!isRecord(value)) return `invalid item data of [${place}], it should be an object`;
  const named =
    collection === 'consumers' ? (value['username'] ?? value['id']) : (value['id'] ?? undefined);
  const given = named ?? value['username'] ?? `arr_${i + 1}`;
  if (typeof given !== 'string' && typeof given !== 'number') {
    return `invalid item data of [${place}], its id should be a text or a number`;
  }
  const id = String(given);
  if (id === '' || id.endsWith('/')) return `invalid item data of [${place}], bad id "${id}"`;
  const { modifiedIndex, ...own } = value;
  const isIndex = typeof modifiedIndex === 'number' && Number.isSafeInteger(modifiedIndex);
  return {
    key: `/${collection}/${id}`,
    value: { ...own, id },
    modifiedIndex: isIndex ? modifiedIndex : undefined,
  };
}

/** Lua has one empty table. */
function isNothing(value: unknown): boolean {
  return value === undefined || value === null || (isRecord(value) && !Object.keys(value).length);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
