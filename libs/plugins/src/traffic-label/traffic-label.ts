import { compileExpression, type Expression } from '@polygate/model';
import { definePlugin } from '@polygate/plugin-sdk';
import { headerValue } from '../header-value.ts';
import { weightedChoice, type WeightedChoice } from '../traffic-split/weighted-choice.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import { definition } from './traffic-label.schema.ts';
import type { LabelAction, LabelRule, TrafficLabelConf } from './traffic-label.schema.ts';

interface HeaderToSet {
  readonly name: string;
  readonly value: VariableTemplate;
}

interface Rule {
  readonly holds: Expression;
  /** Gives undefined for an action that sets nothing. */
  readonly choose: WeightedChoice<{ readonly headers: readonly HeaderToSet[] | undefined }>;
}

/** The first rule that meets a request, and whose turn has an action, labels it. */
export default definePlugin<TrafficLabelConf, readonly Rule[]>(definition, {
  prepare: ({ rules }) => rules.map(compileRule),

  access(ctx, rules) {
    for (const { holds, choose } of rules) {
      if (!holds(ctx.vars)) continue;
      const headers = choose()?.headers;
      // as in APISIX, a turn without an action leaves the request to the next rule
      if (headers === undefined) continue;
      for (const { name, value } of headers) {
        ctx.request.headers.set(name, headerValue(value.render(ctx.vars)));
      }
      return;
    }
  },
});

function compileRule({ match, actions }: LabelRule): Rule {
  return {
    holds: compileExpression(match ?? []),
    choose: weightedChoice(
      actions.map((action) => ({
        value: { headers: headersOf(action) },
        weight: action.weight,
      })),
    ),
  };
}

function headersOf({ set_headers: headers }: LabelAction): readonly HeaderToSet[] | undefined {
  if (headers === undefined) return undefined;
  return Object.entries(headers).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number'
      ? [{ name, value: compileTemplate(String(value)) }]
      : [],
  );
}
