import type { IncomingMessage } from 'node:http';
import { parseYaml } from '@polygate/config-store';
import { type Answer, refusal } from '../answer.ts';
import { parseLenientJson } from './lenient-json.ts';

/** 1.5 MiB, as `MAX_REQ_BODY` of apisix/admin/init.lua. */
export const BODY_BYTES_MAX = 1_572_864;
/** cjson's limit; everything that walks a value may recurse this deep. */
const NESTING_MAX = 1000;

export type BodyResult =
  { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly answer: Answer };

/**
 * Reads and parses a JSON body; `value` is undefined when there is none. Refuses in APISIX's words
 * what is too large or no JSON (get_body of core/request.lua).
 */
export async function readJsonBody(request: IncomingMessage): Promise<BodyResult> {
  const text = await readText(request, BODY_BYTES_MAX);
  if (typeof text !== 'string') return tooLarge(text, BODY_BYTES_MAX);
  return text === '' ? { ok: true, value: undefined } : parseJsonBody(text);
}

/**
 * Reads a whole configuration: YAML where Content-Type says so, otherwise JSON; `value` is
 * undefined when there is no body. A refusal does not repeat the body, which may hold secrets.
 */
export async function readConfigsBody(
  request: IncomingMessage,
  bytesMax: number = BODY_BYTES_MAX,
): Promise<BodyResult> {
  const text = await readText(request, bytesMax);
  if (typeof text !== 'string') return tooLarge(text, bytesMax);
  if (text === '') return { ok: true, value: undefined };
  const isYaml = request.headers['content-type']?.startsWith('application/yaml') === true;
  const body = isYaml ? parseYamlBody(text) : parseJsonBody(text);
  if (body.ok) return body;
  const { error_msg } = body.answer.body as { error_msg: string };
  return { ok: false, answer: refusal(400, error_msg) };
}

/** The text; the number of bytes, as far as it is known, when there are more than `bytesMax`. */
async function readText(request: IncomingMessage, bytesMax: number): Promise<string | number> {
  const declaredBytes = Number(request.headers['content-length'] ?? 0);
  if (declaredBytes > bytesMax) return declaredBytes;

  const chunks: Buffer[] = [];
  let bytes = 0;
  // leaving the loop must not destroy the request, or the refusal could not be sent
  const body = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      // discards the rest; the server's requestTimeout bounds how long
      request.resume();
      return bytes;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseYamlBody(text: string): BodyResult {
  let value: unknown;
  try {
    value = parseYaml(text);
  } catch {
    // the parser's message repeats lines of the body
    return invalid('invalid yaml request body', text);
  }
  if (typeof value !== 'object' || value === null) {
    return invalid('invalid yaml request body', text);
  }
  const fault = faultIn(value, 1);
  return fault === undefined ? { ok: true, value } : invalid(fault, text);
}

export function parseJsonBody(text: string): BodyResult {
  let value: unknown;
  try {
    value = parseLenientJson(text);
  } catch (error) {
    return invalid((error as SyntaxError).message, text);
  }
  const fault = faultIn(value, 1);
  return fault === undefined ? { ok: true, value } : invalid(fault, text);
}

/** `__proto__` would change the prototype of whatever the value is merged into. */
function faultIn(value: unknown, depth: number): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (depth > NESTING_MAX) return `Found too many nested data structures (${depth})`;
  if (Object.hasOwn(value, '__proto__')) return 'the key __proto__ is not allowed';
  for (const inner of Object.values(value)) {
    const fault = faultIn(inner, depth + 1);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function invalid(why: string, text: string): BodyResult {
  const body = { error_msg: `invalid request body: ${why}`, req_body: text };
  return { ok: false, answer: { status: 400, body } };
}

function tooLarge(bytes: number, bytesMax: number): BodyResult {
  const why = `request size ${bytes} is greater than the maximum size ${bytesMax} allowed`;
  return { ok: false, answer: refusal(400, `invalid request body: ${why}`) };
}
