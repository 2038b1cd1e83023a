import { luaToNumber } from '@polygate/model';
import { Kind, OperationTypeNode } from 'graphql';
import type {
  FieldNode,
  FragmentDefinitionNode,
  InlineFragmentNode,
  OperationDefinitionNode,
  SelectionSetNode,
  ValueNode,
} from 'graphql';
import type { ExecutableDocument } from '../graphql-document.ts';
import { advance, weightsAt, type DecorationIndex, type LivePaths } from './decoration-index.ts';
import type { FieldIndex, SchemaIndex } from './schema-index.ts';

export interface CostOptions {
  readonly strategy: 'complexity' | 'node_quantifier';
  readonly decorations: DecorationIndex;
  /** Undefined: no decoration can match. */
  readonly schema: SchemaIndex | undefined;
  /** Of the request; undefined: variables count for nothing, nor do defaults. */
  readonly variables: Readonly<Record<string, unknown>> | undefined;
}

/** A query that comes to too many selections. */
export class ExpansionError extends Error {
  constructor() {
    super(`the query expands past ${SELECTIONS_MAX} selections`);
    this.name = 'ExpansionError';
  }
}

/** Fragments that spread fragments twice each grow without bound. */
const SELECTIONS_MAX = 100_000;

/** The dearest operation's. Throws an ExpansionError. Source: graphql-limit-count/cost.lua. */
export function queryCost(document: ExecutableDocument, options: CostOptions): number {
  const walk = new CostWalk(document, options);
  return Math.max(0, ...document.operations.map((operation) => walk.costOf(operation)));
}

/** A place in the query, and in the schema. */
interface Place {
  readonly type: string | undefined;
  readonly paths: LivePaths;
}

interface SelectedField extends Place {
  readonly node: FieldNode | undefined;
  readonly index: FieldIndex | undefined;
  readonly selections: SelectionSetNode | undefined;
}

interface NodeWeights {
  readonly add: number;
  readonly multiply: number;
  /** Whether an argument says how many there are. */
  readonly isCounted: boolean;
}

type Fragment = InlineFragmentNode | FragmentDefinitionNode;

class CostWalk {
  readonly #document: ExecutableDocument;
  readonly #options: CostOptions;
  readonly #entered = new Set<string>();
  #defaults: ReadonlyMap<string, ValueNode> = new Map();
  #selectionsLeft = SELECTIONS_MAX;

  constructor(document: ExecutableDocument, options: CostOptions) {
    this.#document = document;
    this.#options = options;
  }

  costOf(operation: OperationDefinitionNode): number {
    const { schema, decorations, strategy } = this.#options;
    this.#defaults = new Map(
      (operation.variableDefinitions ?? []).flatMap(({ variable, defaultValue }) =>
        defaultValue === undefined ? [] : [[variable.name.value, defaultValue] as const],
      ),
    );
    const isMutation = operation.operation === OperationTypeNode.MUTATION;
    const type = isMutation ? schema?.mutationType : schema?.queryType;
    const root: SelectedField = {
      node: undefined,
      index: undefined,
      type,
      // a decoration of the root type weighs the whole operation
      paths: advance(decorations, [], type),
      selections: operation.selectionSet,
    };
    return strategy === 'complexity' ? this.#complexity(root) : this.#quantified(root, 1);
  }

  /** What is selected costs as often as the field says, and the field itself besides. */
  #complexity(field: SelectedField): number {
    let selected = 0;
    this.#each(field.selections, field, (child) => (selected += this.#complexity(child)));
    const { add, multiply } = this.#weights(field);
    return selected * multiply + add;
  }

  /** Only fields cost that say how many there are; `times` so many does what is around them say. */
  #quantified(field: SelectedField, times: number): number {
    const { add, multiply, isCounted } = this.#weights(field);
    let cost = isCounted ? times * add : 0;
    const inner = isCounted ? times * multiply : times;
    this.#each(field.selections, field, (child) => (cost += this.#quantified(child, inner)));
    return cost;
  }

  /** Fragments are what they select, in the type that they are on. */
  #each(
    set: SelectionSetNode | undefined,
    place: Place,
    visit: (field: SelectedField) => void,
  ): void {
    for (const selection of set?.selections ?? []) {
      this.#selectionsLeft -= 1;
      if (this.#selectionsLeft < 0) throw new ExpansionError();
      if (selection.kind === Kind.FIELD) {
        visit(this.#field(selection, place));
      } else if (selection.kind === Kind.INLINE_FRAGMENT) {
        this.#each(selection.selectionSet, this.#within(selection, place), visit);
      } else {
        this.#spread(selection.name.value, place, visit);
      }
    }
  }

  #spread(name: string, place: Place, visit: (field: SelectedField) => void): void {
    const fragment = this.#document.fragments.get(name);
    if (fragment === undefined || this.#entered.has(name)) return;
    this.#entered.add(name);
    this.#each(fragment.selectionSet, this.#within(fragment, place), visit);
    this.#entered.delete(name);
  }

  #field(node: FieldNode, { type, paths }: Place): SelectedField {
    const name = node.name.value;
    const { schema, decorations } = this.#options;
    const index = type === undefined ? undefined : schema?.types.get(type)?.get(name);
    return {
      node,
      index,
      type: index?.type,
      paths: type === undefined ? [] : advance(decorations, paths, index?.type, name),
      selections: node.selectionSet,
    };
  }

  #within(fragment: Fragment, place: Place): Place {
    const name = fragment.typeCondition?.name.value;
    const { schema, decorations } = this.#options;
    if (name === undefined || name === place.type || schema?.types.has(name) !== true) return place;
    const begun = advance(decorations, [], name);
    return { type: name, paths: decorations.hasChains ? [...begun, ...place.paths] : begun };
  }

  #weights({ paths, node, index }: SelectedField): NodeWeights {
    const weights = weightsAt(paths);
    if (weights === undefined) return { add: 1, multiply: 1, isCounted: false };
    let add = weights.add_value ?? 1;
    let multiply = weights.mul_value ?? 1;
    let isCounted = false;
    for (const name of weights.add_arguments ?? []) add += this.#argument(node, index, name) ?? 0;
    for (const name of weights.mul_arguments ?? []) {
      const count = this.#argument(node, index, name);
      if (count === undefined) continue;
      multiply *= count;
      isCounted = true;
    }
    return { add, multiply, isCounted };
  }

  /** A count: what is none, or negative, would be a discount, and is as if it were not there. */
  #argument(
    node: FieldNode | undefined,
    index: FieldIndex | undefined,
    name: string,
  ): number | undefined {
    const given = node?.arguments?.find((one) => one.name.value === name);
    const value = given === undefined ? undefined : this.#valueOf(given.value);
    const isDefaulted = value === undefined && this.#options.variables !== undefined;
    const number = luaToNumber(isDefaulted ? index?.defaults.get(name) : value);
    return number === undefined || !(number >= 0) || number === Infinity ? undefined : number;
  }

  #valueOf(node: ValueNode): unknown {
    if (node.kind !== Kind.VARIABLE) return 'value' in node ? node.value : undefined;
    const { variables } = this.#options;
    if (variables === undefined) return undefined;
    const name = node.name.value;
    if (Object.hasOwn(variables, name)) return variables[name];
    const declared = this.#defaults.get(name);
    return declared !== undefined && 'value' in declared ? declared.value : undefined;
  }
}
