import type { RequestContext } from '@polygate/plugin-sdk';
import { isHeaderChanges } from '../header-changes.ts';
import { headerValue } from '../header-value.ts';
import { compileTemplate, type VariableTemplate } from '../variable-template.ts';
import type { HeaderText as WrittenText, ProxyRewriteConf } from './proxy-rewrite.schema.ts';

interface HeaderOperation {
  readonly name: string;
  readonly values: readonly HeaderText[];
}

/** A text as it is sent, or what it is made of. */
type HeaderText = string | VariableTemplate;

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
  for (const { name, values } of add) {
    for (const value of values) headers.append(name, textOf(value, ctx, captures));
  }
  for (const { name, values } of set) {
    // one value keeps the place of the header it replaces; what is set to nothing goes, as in nginx
    const [only] = values;
    const text =
      values.length === 1 && only !== undefined
        ? textOf(only, ctx, captures)
        : values.map((value) => textOf(value, ctx, captures)).filter((one) => one !== '');
    if (text.length === 0) headers.delete(name);
    else headers.set(name, text);
  }
  for (const name of remove) headers.delete(name);
}

function textOf(
  text: HeaderText,
  { vars }: RequestContext,
  captures: readonly (string | undefined)[],
): string {
  return typeof text === 'string' ? text : headerValue(text.renderWithCaptures(vars, captures));
}

function compile(
  headers: Readonly<Record<string, WrittenText | readonly WrittenText[]>>,
): readonly HeaderOperation[] {
  return Object.entries(headers).map(([name, value]) => {
    const texts = typeof value === 'object' ? value : [value];
    return {
      name,
      values: texts.map((text) => {
        const template = compileTemplate(String(text), { captures: true });
        return template.constant === undefined ? template : headerValue(template.constant);
      }),
    };
  });
}
