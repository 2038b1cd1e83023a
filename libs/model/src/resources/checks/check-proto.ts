import { createRequire } from 'node:module';
import type protobuf from 'protobufjs';
import { ConfigError } from '../../errors.ts';

// Loaded by the first proto: it takes 50 ms, and a worker thread never needs it.
const require = createRequire(import.meta.url);

/** What `ext/descriptor` adds, and its types leave out. */
interface DescriptorLibrary {
  readonly FileDescriptorSet: { decode(bytes: Uint8Array): DescriptorSet };
}
type DescriptorSet = protobuf.Message & { readonly file?: readonly unknown[] };

/** One top-level message of 3,000 fields; a second or two of compiling. */
const COST_MAX = 10_000_000;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const GOOGLE_TYPES = 'google/protobuf/';

/**
 * Checks that the content compiles: the text of a .proto file, or base64 of a FileDescriptorSet. A
 * text may import Google's well-known types; other files are not at hand.
 * Sources: compile_proto in apisix/plugins/grpc-transcode/proto.lua. Throws ConfigError.
 */
export function checkProto(content: string): void {
  const library = require('protobufjs') as typeof protobuf;
  try {
    compileText(content, library);
  } catch (cause) {
    if (isDescriptorSet(content)) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`invalid content: ${why}`, { cause });
  }
}

/** Throws an Error that names what is wrong, and where. */
function compileText(content: string, library: typeof protobuf): void {
  if (compileCost(content) > COST_MAX) throw new Error('too many fields in one place');
  const root = new library.Root();
  const { imports = [], weakImports = [] } = library.parse(content, root);
  for (const file of [...imports, ...weakImports]) {
    const definition = file.startsWith(GOOGLE_TYPES) ? library.common.get(file) : null;
    if (definition?.nested) root.addJSON(definition.nested);
    else if (imports.includes(file)) throw new Error(`${file} can not be imported`);
  }
  root.resolveAll();
}

function isDescriptorSet(content: string): boolean {
  if (!BASE64.test(content) || content.length % 4 !== 0) return false;
  const { FileDescriptorSet } = require('protobufjs/ext/descriptor/index.js') as DescriptorLibrary;
  try {
    const set = FileDescriptorSet.decode(Buffer.from(content, 'base64'));
    return set.file !== undefined && set.file.length > 0;
  } catch {
    // neither form: the text's fault is the one to tell
    return false;
  }
}

/**
 * What compiling may cost at most. The library looks at all fields of a message for each one it
 * adds, so a text of 1 MiB could keep the process busy for minutes: the square of what stands in
 * each top-level block, and between them. Comments count as if they were text.
 */
function compileCost(content: string): number {
  let depth = 0;
  let inBlock = 0;
  let outside = 0;
  let cost = 0;
  for (const [mark] of content.matchAll(/[{};,]|\bextend\b/g)) {
    if (mark === '}') {
      depth = Math.max(0, depth - 1);
      if (depth > 0) continue;
      cost += inBlock ** 2;
      inBlock = 0;
    } else {
      // an extension is added to a message elsewhere
      if (depth === 0 || mark === 'extend') outside++;
      else inBlock++;
      if (mark === '{') depth++;
    }
  }
  return cost + inBlock ** 2 + outside ** 2;
}
