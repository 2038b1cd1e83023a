import type { PluginEnvironment, RequestContext } from '@polygate/plugin-sdk';
import { METRIC_LABELS } from './metric-labels.ts';

export type HttpMetric = 'http_status' | 'http_latency' | 'bandwidth';

/** The labels of one metric: APISIX's own and those that `plugin_attr` adds. */
export interface LabelPlan {
  readonly labelNames: readonly string[];
  /** `expire` of the configuration file; 0: the series stay. */
  readonly expireMs: number;
  /**
   * Values for one request: `own` with the disabled ones emptied, then the added ones. The array is
   * used again for the next call.
   */
  valuesFor(ctx: RequestContext, own: readonly string[]): readonly string[];
}

/** `disabled_labels` come from the metadata, `extra_labels` from the configuration file. */
export function planLabels(
  metric: HttpMetric,
  { attr, metadata }: Pick<PluginEnvironment, 'attr' | 'metadata'>,
): LabelPlan {
  const ownNames: readonly string[] = METRIC_LABELS[metric];
  const disabled = stringsIn(recordIn(metadata, 'disabled_labels')[metric]);
  const configured = recordIn(recordIn(attr, 'metrics'), metric);
  const extra = extraLabels(configured['extra_labels']);
  const { expire } = configured;
  const labelNames = [...ownNames, ...extra.map(({ label }) => label)];
  const isDisabled = ownNames.map((name) => disabled.includes(name));
  const values: string[] = labelNames.map(() => '');
  return {
    labelNames,
    expireMs: typeof expire === 'number' && expire > 0 ? expire * 1000 : 0,
    valuesFor(ctx, own) {
      for (let i = 0; i < ownNames.length; i++) {
        values[i] = isDisabled[i] === true ? '' : (own[i] ?? '');
      }
      for (let i = 0; i < extra.length; i++) {
        values[ownNames.length + i] = ctx.vars.get(extra[i]?.variable ?? '') ?? '';
      }
      return values;
    },
  };
}

interface ExtraLabel {
  readonly label: string;
  readonly variable: string;
}

/** `[{"upstream_addr": "$upstream_addr"}]`: label and variable. */
function extraLabels(value: unknown): ExtraLabel[] {
  if (!Array.isArray(value)) return [];
  return value.flatMap((entry: unknown) =>
    Object.entries(isRecord(entry) ? entry : {})
      .slice(0, 1)
      .map(([label, variable]) => ({ label, variable: String(variable).slice(1) })),
  );
}

function recordIn(holder: Readonly<Record<string, unknown>>, name: string) {
  const value = holder[name];
  return isRecord(value) ? value : {};
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function stringsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
