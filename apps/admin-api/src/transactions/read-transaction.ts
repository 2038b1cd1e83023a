import { isJsonObject, type JsonObject } from '../json-object.ts';

const METHODS = ['PUT', 'PATCH', 'DELETE'] as const;
export type ChangeMethod = (typeof METHODS)[number];

/** One change as the client wrote it. */
export interface RequestedChange {
  /** Of its list, from 0. */
  readonly index: number;
  readonly method: ChangeMethod;
  /** Below `/apisix/admin`. */
  readonly path: string;
  readonly body: unknown;
  /** The revision that the object has to have; 0: there is none. */
  readonly ifRevision: number | undefined;
  /** Delete it although others use it. */
  readonly force: boolean;
}

export interface RequestedTransaction {
  readonly changes: readonly RequestedChange[];
  /** None of the objects may have changed since this revision of the store. */
  readonly ifRevision: number | undefined;
}

export const CHANGES_MAX = 10_000;
const PATH_CHARS_MAX = 2048;
const FIELDS = ['changes', 'if_revision'];
const CHANGE_FIELDS = ['method', 'path', 'body', 'if_revision', 'force'];

/** `{"changes":[…],"if_revision":…}`; a text that names the field where it is something else. */
export function readTransaction(body: unknown): RequestedTransaction | string {
  if (!isJsonObject(body)) return 'invalid transaction: expected an object with changes';
  const fault = unknownField(body, FIELDS, '') ?? revisionFault(body, '');
  if (fault !== undefined) return fault;
  const { changes } = body;
  if (!Array.isArray(changes) || changes.length === 0) {
    return 'invalid transaction: changes: should be a list with at least one change';
  }
  if (changes.length > CHANGES_MAX) {
    return `invalid transaction: changes: should have at most ${CHANGES_MAX} changes`;
  }
  const read: RequestedChange[] = [];
  for (const [index, change] of changes.entries()) {
    const one = readChange(change, index);
    if (typeof one === 'string') return one;
    read.push(one);
  }
  return { changes: read, ifRevision: asRevision(body) };
}

function readChange(change: unknown, index: number): RequestedChange | string {
  const at = `changes[${index}]`;
  const invalid = (field: string, rule: string) => `invalid transaction: ${at}${field}: ${rule}`;
  if (!isJsonObject(change)) return invalid('', 'should be an object');
  const fault = unknownField(change, CHANGE_FIELDS, `${at}.`) ?? revisionFault(change, `${at}.`);
  if (fault !== undefined) return fault;
  const { path, body, force = false } = change;
  const method = METHODS.find((one) => one === change['method']);
  if (method === undefined) return invalid('.method', 'should be PUT, PATCH or DELETE');
  if (typeof path !== 'string' || !path.startsWith('/') || path.length > PATH_CHARS_MAX) {
    return invalid('.path', 'should be a path below /apisix/admin, as /routes/1');
  }
  if (/[?#%]/.test(path)) return invalid('.path', 'should have no query and nothing encoded');
  if (typeof force !== 'boolean') return invalid('.force', 'should be true or false');
  if (force && method !== 'DELETE') return invalid('.force', 'is for DELETE only');
  if (method === 'DELETE' && body !== undefined) return invalid('.body', 'is not for DELETE');
  return { index, method, path, body, ifRevision: asRevision(change), force };
}

function unknownField(value: JsonObject, known: readonly string[], at: string): string | undefined {
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  return unknown === undefined ? undefined : `invalid transaction: ${at}${unknown}: is not known`;
}

function revisionFault({ if_revision }: JsonObject, at: string): string | undefined {
  if (if_revision === undefined) return undefined;
  if (Number.isSafeInteger(if_revision) && Number(if_revision) >= 0) return undefined;
  return `invalid transaction: ${at}if_revision: should be an integer from 0`;
}

function asRevision({ if_revision }: JsonObject): number | undefined {
  return if_revision === undefined ? undefined : Number(if_revision);
}
