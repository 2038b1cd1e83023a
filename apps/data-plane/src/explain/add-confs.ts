import type { ConfigItem } from '../config/config-item.ts';
import { originOf } from '../config/prepared-plugins.ts';

/** Characters of JSON. Above it the places are named, but not what stands there. */
const DOCUMENT_CHARS_MAX = 1024 * 1024;

/** The conf that stands in an object, by the object's origin (`route/1`), as it was written. */
type FindConf = (from: string, plugin: string) => unknown;

/**
 * The document with the confs that its plugins name. Workers have them with secrets filled in, which
 * nobody may see; `written` are the objects with references as they were written.
 */
export function addConfs(
  document: Readonly<Record<string, unknown>>,
  written: readonly ConfigItem[],
): string {
  const lists = LISTS.flatMap((list) => (document[list] ?? []) as readonly Placed[]);
  const origins = new Set(
    lists.flatMap(({ from, overrides = [] }) => [from, ...overrides.map((place) => place.from)]),
  );
  const items = new Map(
    written
      .map((item) => [originOf(item), item] as const)
      .filter(([origin]) => origins.has(origin)),
  );
  const find: FindConf = (from, plugin) => {
    const value = items.get(from)?.value as { plugins?: Record<string, unknown> } | undefined;
    return value?.plugins?.[plugin];
  };
  const whole = JSON.stringify(withConfs(document, find));
  if (whole.length <= DOCUMENT_CHARS_MAX) return whole;
  return JSON.stringify({ ...document, confs: 'left out: they are too large' });
}

const LISTS = ['global_rules', 'plugins', 'left_out'] as const;

interface Placed {
  readonly name: string;
  readonly from: string;
  readonly overrides?: readonly { readonly from: string }[];
}

function withConfs(document: Readonly<Record<string, unknown>>, find: FindConf): object {
  const filled = Object.fromEntries(
    LISTS.flatMap((list) =>
      Array.isArray(document[list])
        ? [[list, (document[list] as readonly Placed[]).map((placed) => withConf(placed, find))]]
        : [],
    ),
  );
  return { ...document, ...filled };
}

function withConf(placed: Placed, find: FindConf): object {
  const { name, from, overrides } = placed;
  return {
    ...placed,
    conf: find(from, name),
    ...(overrides && {
      overrides: overrides.map((place) => ({ ...place, conf: find(place.from, name) })),
    }),
  };
}
