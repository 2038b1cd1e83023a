import type { GraphqlCostDecorationResource } from '@polygate/model';
import type { ItemOf } from './item-store.ts';

/** By service. */
export type CostDecorations = ReadonlyMap<string, readonly GraphqlCostDecorationResource[]>;

/** Their ids begin with that of the service: `1/graphql_cost_decorations/a`. */
export function groupDecorations(
  items: readonly ItemOf<'graphql_cost_decorations'>[],
): CostDecorations {
  const grouped = new Map<string, GraphqlCostDecorationResource[]>();
  for (const { id, value } of items) {
    const service = id.slice(0, id.indexOf('/'));
    const others = grouped.get(service);
    if (others === undefined) grouped.set(service, [value]);
    else others.push(value);
  }
  return grouped;
}
