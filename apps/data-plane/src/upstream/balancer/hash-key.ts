import type { UpstreamResource } from '@polygate/model';
import type { BalancedRequest } from './balancer.ts';

/** What is hashed of a request. */
export type ReadHashKey = (request: BalancedRequest) => string;

type Reader = (request: BalancedRequest) => string | undefined;

/** `$name`, `${name}`, `${name ?? default}`; a backslash before it takes its meaning away. */
const VARIABLE = /(?<!\\)\$(?:\{\s*([^}]+?)\s*\}|([\w.]+))/g;

/**
 * By `hash_on` and `key`. What has no value gives way to the client's address, as in
 * apisix/balancer/chash.lua.
 */
export function readHashKey({ hash_on: hashOn, key = '' }: UpstreamResource): ReadHashKey {
  const read = readerOf(hashOn ?? 'vars', key);
  return (request) => read(request) ?? request.vars.get('remote_addr') ?? '';
}

function readerOf(hashOn: string, key: string): Reader {
  switch (hashOn) {
    case 'consumer':
      return ({ consumer }) => consumer?.username;
    case 'header':
      return variable(`http_${key}`);
    case 'cookie':
      return variable(`cookie_${key}`);
    case 'vars_combinations':
      return combination(key);
    default:
      return variable(key);
  }
}

function variable(name: string): Reader {
  return ({ vars }) => vars.get(name);
}

/** core.utils.resolve_var: nothing where no variable of the text has a value. */
function combination(text: string): Reader {
  const parts: { before: string; name: string; otherwise: string | undefined }[] = [];
  let end = 0;
  for (const match of text.matchAll(VARIABLE)) {
    const [name = '', otherwise] = (match[1] ?? match[2] ?? '').split(/\s*\?\?\s*/);
    parts.push({ before: text.slice(end, match.index), name, otherwise });
    end = match.index + match[0].length;
  }
  const rest = text.slice(end);
  return ({ vars }) => {
    let isResolved = false;
    let key = '';
    for (const { before, name, otherwise } of parts) {
      const value = vars.get(name) ?? otherwise;
      if (value !== undefined) isResolved = true;
      key += before + (value ?? '');
    }
    return isResolved ? key + rest : undefined;
  };
}
