import { Kind } from 'graphql';
import type { SelectionNode } from 'graphql';
import type { ExecutableDocument } from '../graphql-document.ts';

/**
 * How deep selections nest, at least 1; undefined where fragments go in a circle. A fragment counts as
 * what it selects. Source: node_depth of apisix/plugins/graphql-limit-count.lua.
 */
export function queryDepth({ operations, fragments }: ExecutableDocument): number | undefined {
  const known = new Map<string, number>();
  const entered = new Set<string>();
  let isCircular = false;

  const ofFragment = (name: string): number => {
    if (entered.has(name)) {
      isCircular = true;
      return 0;
    }
    const before = known.get(name);
    if (before !== undefined) return before;
    entered.add(name);
    const depth = deepest(fragments.get(name)?.selectionSet.selections ?? []);
    entered.delete(name);
    known.set(name, depth);
    return depth;
  };
  const ofSelection = (selection: SelectionNode): number => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return ofFragment(selection.name.value);
    if (selection.kind === Kind.INLINE_FRAGMENT) return deepest(selection.selectionSet.selections);
    const { selectionSet } = selection;
    return selectionSet === undefined ? 0 : 1 + deepest(selectionSet.selections);
  };
  const deepest = (selections: readonly SelectionNode[]): number => {
    let depth = 0;
    for (const selection of selections) depth = Math.max(depth, ofSelection(selection));
    return depth;
  };

  let depth = 1;
  for (const { selectionSet } of operations) {
    depth = Math.max(depth, 1 + deepest(selectionSet.selections));
  }
  return isCircular ? undefined : depth;
}
