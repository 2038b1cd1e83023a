import { GraphQLError, Kind, parse } from 'graphql';
import type { DefinitionNode, FragmentDefinitionNode, OperationDefinitionNode } from 'graphql';

/** A text that is no GraphQL. The message is APISIX's: `Syntax error near line 1`. */
export class GraphqlSyntaxError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'GraphqlSyntaxError';
  }
}

/** More than any query has, and little enough to be read in some milliseconds. */
const TOKENS_MAX = 100_000;
/** Commas count for nothing in GraphQL. */
const NOTHING = /^(?:[\s,\uFEFF]|#[^\n\r]*(?:[\n\r]|$))*$/;

/** None for a text of blanks and comments. Throws a GraphqlSyntaxError. */
export function parseGraphql(text: string): readonly DefinitionNode[] {
  if (NOTHING.test(text)) return [];
  try {
    return parse(text, { noLocation: true, maxTokens: TOKENS_MAX }).definitions;
  } catch (cause) {
    // a RangeError: it nests too deep
    if (!(cause instanceof GraphQLError) && !(cause instanceof RangeError)) throw cause;
    const line = cause instanceof GraphQLError ? cause.locations?.[0]?.line : undefined;
    throw new GraphqlSyntaxError(`Syntax error near line ${line ?? 1}`, { cause });
  }
}

export interface ExecutableDocument {
  readonly operations: readonly OperationDefinitionNode[];
  readonly fragments: ReadonlyMap<string, FragmentDefinitionNode>;
}

export function executable(definitions: readonly DefinitionNode[]): ExecutableDocument {
  const operations: OperationDefinitionNode[] = [];
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of definitions) {
    if (definition.kind === Kind.OPERATION_DEFINITION) operations.push(definition);
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      fragments.set(definition.name.value, definition);
    }
  }
  return { operations, fragments };
}
