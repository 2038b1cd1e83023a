import type { GraphqlCostDecorationResource } from '@polygate/model';

/** What a decoration says of a field. */
export type Weights = Pick<
  GraphqlCostDecorationResource,
  'add_value' | 'mul_value' | 'add_arguments' | 'mul_arguments'
>;

/** One name of a field path. */
export interface PathNode {
  readonly children: Map<string, PathNode>;
  readonly depth: number;
  weights: Weights | undefined;
}

export interface DecorationIndex {
  readonly root: PathNode;
  /** Whether there are others than `<type>.<field>`: then a field may be on several paths. */
  readonly hasChains: boolean;
}

/**
 * Field paths as a tree of their names: `Person` weighs every field that is a Person, `Person.name` the
 * field of one, a longer path one chain of fields. Source: graphql-limit-count/cost.lua, build_index.
 */
export function indexDecorations(
  decorations: readonly GraphqlCostDecorationResource[],
): DecorationIndex {
  const root: PathNode = { children: new Map(), depth: 0, weights: undefined };
  let hasChains = false;
  for (const decoration of decorations) {
    let node = root;
    for (const name of decoration.field_path.split('.')) {
      let child = node.children.get(name);
      if (child === undefined) {
        child = { children: new Map(), depth: node.depth + 1, weights: undefined };
        node.children.set(name, child);
      }
      node = child;
    }
    node.weights = decoration;
    hasChains ||= node.depth !== 2;
  }
  return { root, hasChains };
}

/** What is still to come of the paths that a field is on. */
export type LivePaths = readonly PathNode[];

/** Of a field: those of its parent go on by its name, and new ones begin with its type. */
export function advance(
  { root }: DecorationIndex,
  paths: LivePaths,
  typeName: string | undefined,
  fieldName?: string,
): LivePaths {
  const next: PathNode[] = [];
  for (const { children } of paths) {
    const child = fieldName === undefined ? undefined : children.get(fieldName);
    if (child !== undefined) next.push(child);
  }
  const begun = typeName === undefined ? undefined : root.children.get(typeName);
  if (begun !== undefined) next.push(begun);
  return next;
}

/** Where several paths name the same field the longer one wins, word by word. */
export function weightsAt(paths: LivePaths): Partial<Weights> | undefined {
  const weighing = paths.filter(({ weights }) => weights !== undefined);
  if (weighing.length <= 1) return weighing[0]?.weights;
  weighing.sort((a, b) => a.depth - b.depth);
  return weighing.reduce<Partial<Weights>>(
    (merged, { weights }) => ({ ...merged, ...weights }),
    {},
  );
}
