import { DocumentError } from './document-error.ts';
import { isObject, type JsonObject } from './json-object.ts';

/** By which reference an object was found first, for the mapping of a discriminator. */
export type ReferenceNames = ReadonlyMap<object, string>;

/** Words that say nothing about values: a reference beside which only these stand is taken alone. */
const ANNOTATIONS = new Set(['summary', 'description']);

/**
 * Puts in the place of each reference what it names: one and the same object each time, so the work
 * grows with the document, and what refers to itself ends in a circle. Throws a DocumentError.
 */
export function resolveReferences(root: JsonObject): ReferenceNames {
  const anchors = dynamicAnchors(root);
  const found = new Map<string, unknown>();
  const names = new Map<object, string>();
  const walked = new Set<object>();
  const waiting: object[] = [root];

  const target = (reference: string): unknown => {
    if (found.has(reference)) return found.get(reference);
    const named = lookUp(root, reference);
    found.set(reference, named);
    if (typeof named === 'object' && named !== null) {
      if (!names.has(named)) names.set(named, reference);
      waiting.push(named);
    }
    return named;
  };
  const replacement = (node: JsonObject): unknown => {
    const named = namedBy(node, target, anchors);
    if (named === undefined) return undefined;
    const siblings = Object.fromEntries(
      Object.entries(node).filter(([name]) => name !== '$ref' && name !== '$dynamicRef'),
    );
    if (Object.keys(siblings).every((name) => ANNOTATIONS.has(name))) return named;
    waiting.push(siblings);
    return { allOf: [named, siblings] };
  };

  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    if (walked.has(node)) continue;
    walked.add(node);
    const members = node as JsonObject;
    for (const [key, value] of Object.entries(members)) {
      if (typeof value !== 'object' || value === null) continue;
      const resolved = isObject(value) ? replacement(value) : undefined;
      if (resolved === undefined) waiting.push(value);
      else members[key] = resolved;
      const put = members[key];
      if (typeof put === 'object' && put !== null) waiting.push(put);
    }
  }
  return names;
}

/** Undefined for what is no reference, or one to an anchor that is not there. */
function namedBy(
  node: JsonObject,
  target: (reference: string) => unknown,
  anchors: ReadonlyMap<string, object>,
): unknown {
  const { $ref: reference, $dynamicRef: dynamic } = node;
  if (reference !== undefined) {
    // a property may be called so
    if (isObject(reference)) return undefined;
    if (typeof reference !== 'string') {
      throw new DocumentError('failed to resolve $ref: invalid $ref type');
    }
    return target(reference);
  }
  return typeof dynamic === 'string' && dynamic.startsWith('#')
    ? anchors.get(dynamic.slice(1))
    : undefined;
}

/** What a JSON pointer names; goes on where that is a reference alone. */
function lookUp(root: JsonObject, reference: string): unknown {
  const seen = new Set<string>();
  let current = reference;
  for (;;) {
    if (seen.has(current)) throw unresolved(reference, 'it refers to itself');
    seen.add(current);
    const named = at(root, current);
    const next = isObject(named) ? named['$ref'] : undefined;
    const isAlone = typeof next === 'string' && Object.keys(named as JsonObject).length === 1;
    if (!isAlone) return named;
    current = next;
  }
}

function at(root: JsonObject, reference: string): unknown {
  if (!reference.startsWith('#')) {
    throw new DocumentError(`failed to resolve $ref: external $ref not supported: ${reference}`);
  }
  let current: unknown = root;
  for (const part of reference.slice(1).split('/')) {
    if (part === '') continue;
    const token = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (typeof current !== 'object' || current === null) {
      throw unresolved(reference, `cannot traverse non-table at '${token}'`);
    }
    if (!Object.hasOwn(current, token)) throw unresolved(reference, `key not found: '${token}'`);
    current = (current as JsonObject)[token];
  }
  return current;
}

function unresolved(reference: string, why: string): DocumentError {
  return new DocumentError(`failed to resolve $ref: cannot resolve $ref '${reference}': ${why}`);
}

/** By name. The document has no circles yet. */
function dynamicAnchors(root: JsonObject): ReadonlyMap<string, object> {
  const anchors = new Map<string, object>();
  const collect = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const anchor = (node as JsonObject)['$dynamicAnchor'];
    if (typeof anchor === 'string') anchors.set(anchor, node);
    for (const member of Object.values(node)) collect(member);
  };
  collect(root);
  return anchors;
}
