import { createRequire } from 'node:module';
import type protobuf from 'protobufjs';
import { ConfigError } from '../../errors.ts';

// Loaded by the first proto: it takes 50 ms, and a worker thread never needs it.
const require = createRequire(import.meta.url);

/** What `ext/descriptor` adds, and its types leave out. */
interface DescriptorLibrary {
  readonly FileDescriptorSet: { decode(bytes: Uint8Array): DescriptorSet };
}
type DescriptorSet = protobuf.Message & { readonly file?: readonly DescribedFile[] };

interface DescribedFile {
  readonly package?: string;
  readonly messageType?: readonly DescribedType[];
}

interface DescribedType {
  readonly name: string;
  readonly options?: { readonly mapEntry?: boolean };
  readonly nestedType?: readonly DescribedType[];
}

/** A proto that compiled, with all its types resolved and its fields named as in the source. */
export interface LoadedProto {
  readonly root: protobuf.Root;
  /** Full names, as `.pkg.Message.FooEntry`, of messages that stand for the entries of a map. */
  readonly mapEntries: ReadonlySet<string>;
}

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
    if (readDescriptorSet(content) !== undefined) return;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`invalid content: ${why}`, { cause });
  }
}

/** For one that was checked. Throws an Error: of a descriptor set, types may be missing. */
export function loadProto(content: string): LoadedProto {
  const library = require('protobufjs') as typeof protobuf;
  const set = readDescriptorSet(content);
  if (set === undefined) {
    return { root: compileText(content, library), mapEntries: new Set() };
  }
  // of `ext/descriptor`, whose types leave it out
  const roots = library.Root as unknown as {
    fromDescriptor(set: DescriptorSet): protobuf.Root;
  };
  return { root: roots.fromDescriptor(set), mapEntries: mapEntriesOf(set) };
}

/** Throws an Error that names what is wrong, and where. */
function compileText(content: string, library: typeof protobuf): protobuf.Root {
  if (compileCost(content) > COST_MAX) throw new Error('too many fields in one place');
  const root = new library.Root();
  const { imports = [], weakImports = [] } = library.parse(content, root, { keepCase: true });
  for (const file of [...imports, ...weakImports]) {
    const definition = file.startsWith(GOOGLE_TYPES) ? library.common.get(file) : null;
    if (definition?.nested) root.addJSON(definition.nested);
    else if (imports.includes(file)) throw new Error(`${file} can not be imported`);
  }
  root.resolveAll();
  return root;
}

/** Undefined for what is none: then it is a text. */
function readDescriptorSet(content: string): DescriptorSet | undefined {
  if (!BASE64.test(content) || content.length % 4 !== 0) return undefined;
  const { FileDescriptorSet } = require('protobufjs/ext/descriptor/index.js') as DescriptorLibrary;
  try {
    const set = FileDescriptorSet.decode(Buffer.from(content, 'base64'));
    return set.file !== undefined && set.file.length > 0 ? set : undefined;
  } catch {
    // neither form: the text's fault is the one to tell
    return undefined;
  }
}

function mapEntriesOf({ file = [] }: DescriptorSet): ReadonlySet<string> {
  const names = new Set<string>();
  const visit = (types: readonly DescribedType[], prefix: string): void => {
    for (const { name, options, nestedType = [] } of types) {
      if (options?.mapEntry === true) names.add(`${prefix}.${name}`);
      visit(nestedType, `${prefix}.${name}`);
    }
  };
  for (const one of file) visit(one.messageType ?? [], one.package ? `.${one.package}` : '');
  return names;
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
