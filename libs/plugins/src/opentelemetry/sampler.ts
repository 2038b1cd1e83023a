import type { TraceParent } from '../tracing/trace-ids.ts';
import type { SamplerConf } from './opentelemetry.schema.ts';

/** Whether a span is recorded. `parent`: the caller's; undefined: there is none. */
export type Sampler = (traceId: string, parent: TraceParent | undefined) => boolean;

/** Source: create_tracer_obj of apisix/plugins/opentelemetry.lua, and opentelemetry-lua's samplers. */
export function createSampler({ name, options }: SamplerConf): Sampler {
  if (name !== 'parent_base') return rootSampler(name, options.fraction);
  const root = rootSampler(options.root.name, options.root.options.fraction);
  return (traceId, parent) => (parent === undefined ? root(traceId, parent) : parent.isSampled);
}

function rootSampler(
  name: 'always_on' | 'always_off' | 'trace_id_ratio',
  fraction: number,
): Sampler {
  if (name === 'trace_id_ratio') {
    // the same for all gateways that a trace passes
    const limit = Math.min(Math.max(fraction, 0), 1) * 2 ** 32;
    return (traceId) => Number.parseInt(traceId.slice(0, 8), 16) < limit;
  }
  const isOn = name === 'always_on';
  return () => isOn;
}
