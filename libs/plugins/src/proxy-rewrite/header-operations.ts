import type { RequestContext } from '@polygate/plugin-sdk';
import { isHeaderChanges } from '../header-changes.ts';
import { headerValue } from '../header-value.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import type { HeaderText, ProxyRewriteConf } from './proxy-rewrite.schema.ts';

interface HeaderOperation {
  readonly name: string;
  readonly values: readonly VariableTemplate[];
}

export interface HeaderOperations {
  readonly add: readonly HeaderOperation[];
  readonly set: readonly HeaderOperation[];
  readonly remove: readonly string[];
}

export function compileHeaderOperations(conf: ProxyRewriteConf['headers'] = {}): HeaderOperations {
  if (!isHeaderChanges(conf)) return { add: [], set: compile(conf), remove: [] };
  const { add = {}, set = {}, remove = [] } = conf;
  return { add: compile(add), set: compile(set), remove };
}

/** In APISIX's order: add, set, remove. */
export function applyHeaderOperations(
  ctx: RequestContext,
  { add, set, remove }: HeaderOperations,
  captures: readonly (string | undefined)[],
): void {
  const { headers } = ctx.request;
  const render = (template: VariableTemplate) =>
    headerValue(template.renderWithCaptures(ctx.vars, captures));
  for (const { name, values } of add) {
    for (const value of values) headers.append(name, render(value));
  }
  for (const { name, values } of set) {
    const [first, ...others] = values.map(render);
    // one value keeps the place of the header it replaces
    if (first !== undefined) headers.set(name, others.length === 0 ? first : [first, ...others]);
  }
  for (const name of remove) headers.delete(name);
}

function compile(
  headers: Readonly<Record<string, HeaderText | readonly HeaderText[]>>,
): readonly HeaderOperation[] {
  return Object.entries(headers).map(([name, value]) => {
    const texts = typeof value === 'object' ? value : [value];
    return {
      name,
      values: texts.map((text) => compileTemplate(String(text), { captures: true })),
    };
  });
}
