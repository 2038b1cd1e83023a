import type { RunOptions } from '../run-scenario.ts';
import { measureConfigScale } from './config-scale.ts';
import { measureExternalLatency } from './external-latency.ts';
import { measureIdleConnections } from './idle-connections.ts';
import { measureManyRoutes } from './many-routes.ts';
import { measureRouteTable } from './route-table.ts';

/** A figure that is not one of single requests. */
export interface Figure {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** At most. */
  readonly goal: number | undefined;
}

export type MeasureFigures = (options: RunOptions) => Promise<readonly Figure[]>;

const FIGURES: Readonly<Record<string, MeasureFigures>> = {
  'route-table': measureRouteTable,
  'many-routes': measureManyRoutes,
  'idle-connections': measureIdleConnections,
  'config-scale': measureConfigScale,
  'external-latency': measureExternalLatency,
};

export const FIGURE_NAMES = Object.keys(FIGURES);

/** Those of `names`, in order. One that cannot be had is said and left out. */
export async function measureFigures(
  names: readonly string[],
  options: RunOptions,
): Promise<readonly Figure[]> {
  const all: Figure[] = [];
  for (const [name, measureThem] of Object.entries(FIGURES)) {
    if (!names.includes(name)) continue;
    options.say(`— ${name}`);
    try {
      all.push(...(await measureThem(options)));
    } catch (error) {
      options.signal.throwIfAborted();
      options.say(`${name} IS LEFT OUT: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return all;
}

export function figureText({ what, value, unit, goal }: Figure): string {
  const verdict =
    goal === undefined ? '' : `, goal ≤ ${goal}: ${value <= goal ? 'met' : 'NOT met'}`;
  return `${what}: ${numberText(value)} ${unit}${verdict}`;
}

export function numberText(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
