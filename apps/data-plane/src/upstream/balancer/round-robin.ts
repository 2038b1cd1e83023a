import type { CompiledNode } from '../compiled-upstream.ts';
import type { Balancer } from './balancer.ts';

interface Weighted {
  readonly node: CompiledNode;
  current: number;
}

/**
 * Smooth weighted round robin, as nginx does it: heavy nodes are spread out instead of coming in a
 * row. Nodes of a lower `priority` serve only when all higher ones were tried.
 */
export function createRoundRobin(nodes: readonly CompiledNode[]): Balancer {
  const groups = groupByPriority(nodes);
  return {
    pick(tried) {
      for (const group of groups) {
        const node = pickSmooth(group, tried);
        if (node !== undefined) return node;
      }
      return undefined;
    },
  };
}

function pickSmooth(
  group: readonly Weighted[],
  tried: ReadonlySet<CompiledNode>,
): CompiledNode | undefined {
  let total = 0;
  let best: Weighted | undefined;
  for (const entry of group) {
    if (tried.size > 0 && tried.has(entry.node)) continue;
    total += entry.node.weight;
    entry.current += entry.node.weight;
    if (best === undefined || entry.current > best.current) best = entry;
  }
  if (best === undefined) return undefined;
  best.current -= total;
  return best.node;
}

/** Highest priority first. Nodes of weight 0 get no traffic. */
function groupByPriority(nodes: readonly CompiledNode[]): readonly (readonly Weighted[])[] {
  const groups = new Map<number, Weighted[]>();
  for (const node of nodes) {
    if (node.weight === 0) continue;
    const group = groups.get(node.priority) ?? [];
    group.push({ node, current: 0 });
    groups.set(node.priority, group);
  }
  return [...groups].sort(([a], [b]) => b - a).map(([, group]) => group);
}
