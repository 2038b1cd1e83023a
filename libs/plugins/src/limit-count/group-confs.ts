import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '@polygate/model';

/** As many groups as APISIX remembers. */
const GROUPS_MAX = 512;

// State of the process, as in APISIX: a conf is checked on its own, and the group's others are only
// known from having been checked before. The group checked longest ago is forgotten first.
const confs = new Map<string, Readonly<Record<string, unknown>>>();

/**
 * Remembers the first conf of a group; throws a ConfigError when a later one differs. Whoever wants
 * another conf takes another group name.
 */
export function checkGroupConf(group: string, conf: object, fields: readonly string[]): void {
  const candidate = pick(conf, fields);
  const known = confs.get(group) ?? candidate;
  confs.delete(group);
  confs.set(group, known);
  const oldest = confs.keys().next();
  if (confs.size > GROUPS_MAX && oldest.done !== true) confs.delete(oldest.value);
  if (!isDeepStrictEqual(known, candidate)) throw new ConfigError('group conf mismatched');
}

function pick(conf: object, fields: readonly string[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(conf).filter(([name]) => fields.includes(name)));
}
