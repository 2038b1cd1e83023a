import { GraphQLError, Kind, parse } from 'graphql';
import type { DefinitionNode } from 'graphql';

/** What routes may ask of a GraphQL request: of its first definition. */
export interface GraphqlRequest {
  /** Empty where the operation has none. */
  readonly name: string;
  /** `query`, `mutation`, `subscription`; undefined for a fragment. */
  readonly operation: string | undefined;
  readonly rootFields: readonly string[];
  readonly definitions: number;
}

const TOKENS_MAX = 20_000;
const TEXT_SHOWN_MAX = 200;

/**
 * Throws Error in APISIX's words. A document of more than 20,000 tokens is none: routing needs its
 * head. Source: get_parsed_graphql of apisix/core/ctx.lua.
 */
export function parseGraphqlRequest(text: string): GraphqlRequest {
  let definitions: readonly DefinitionNode[];
  try {
    ({ definitions } = parse(text, { noLocation: true, maxTokens: TOKENS_MAX }));
  } catch (error) {
    const shown = text.slice(0, TEXT_SHOWN_MAX);
    throw new Error(`failed to parse graphql: ${describe(error)} body: ${shown}`, { cause: error });
  }
  const [first] = definitions;
  if (first === undefined) throw new Error('empty graphql');
  const isOperation = first.kind === Kind.OPERATION_DEFINITION;
  if (!isOperation && first.kind !== Kind.FRAGMENT_DEFINITION) {
    throw new Error('failed to parse graphql: no operation');
  }
  return {
    name: first.name?.value ?? '',
    operation: isOperation ? first.operation : undefined,
    rootFields: first.selectionSet.selections.flatMap((selection) =>
      selection.kind === Kind.INLINE_FRAGMENT ? [] : selection.name.value,
    ),
    definitions: definitions.length,
  };
}

/** A RangeError of a document that nests too deep counts as one that cannot be read. */
function describe(error: unknown): string {
  const line = error instanceof GraphQLError ? error.locations?.[0]?.line : undefined;
  return line === undefined ? String(error) : `Syntax error near line ${line}`;
}
