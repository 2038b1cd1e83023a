import type { ExpressionValue, ExpressionVars } from '@polygate/model';
import type { Variables } from '@polygate/plugin-sdk';
import { BodyVariables } from './body-variables.ts';
import { bodyMatters, bodySource, isOfBody } from './body-source.ts';
import type { GatewayContext } from './gateway-context.ts';
import { PREFIXES } from './variable-prefixes.ts';
import { VARIABLES } from './variable-table.ts';
import type { VariableReader } from './variable-table.ts';

/** By whole name, also those out of `PREFIXES` that were asked for before. */
const READER_OF = new Map<string, VariableReader>(
  Object.entries(VARIABLES).map(([name, [read]]) => [name, read]),
);
/** Names come out of the configuration, which may change without end. */
const READERS_MAX = 4096;

function findReader(name: string): VariableReader {
  const entry = PREFIXES.find(({ prefix }) => name.startsWith(prefix));
  const reader = entry === undefined ? noValue : entry.reader(name.slice(entry.prefix.length));
  if (READER_OF.size < READERS_MAX) READER_OF.set(name, reader);
  return reader;
}

function noValue(): undefined {}

/** Variables of one request. Plugins may override any of them for the rest of it. */
export class RequestVariables implements Variables {
  readonly #ctx: GatewayContext;
  #overrides: Map<string, string | undefined | (() => string)> | undefined;
  #typed: ExpressionVars | undefined;
  #body: BodyVariables | undefined;

  constructor(ctx: GatewayContext) {
    this.#ctx = ctx;
  }

  get(name: string): string | undefined {
    if (this.#overrides?.has(name) === true) {
      const value = this.#overrides.get(name);
      return typeof value === 'function' ? value() : value;
    }
    return (READER_OF.get(name) ?? findReader(name))(this.#ctx);
  }

  /** The same, where variables of the body are not made a text. */
  get typed(): ExpressionVars {
    return (this.#typed ??= {
      get: (name) =>
        isOfBody(name) && this.#overrides?.has(name) !== true
          ? this.bodyValue(name)
          : this.get(name),
    });
  }

  /** Of a variable of the body. One that has not come yet is noted as wanted, and has no value. */
  bodyValue(name: string): ExpressionValue {
    const { request } = this.#ctx;
    const former = this.#body?.source.body;
    const body = bodyMatters(name, request) ? request.wantBody() : former;
    if (this.#body === undefined || former !== body) {
      this.#body = new BodyVariables(bodySource(this.#ctx, body));
    }
    // what is not here yet is not missing, and nothing to complain of
    if (request.isBodyWanted) return undefined;
    if (name.startsWith('post_arg_')) return this.#body.formArgument(name.slice(9));
    if (name.startsWith('post_arg.')) return this.#body.postArgument(name.slice(9));
    return this.#body.graphql(name.slice(8));
  }

  set(name: string, value: string | undefined | (() => string)): void {
    this.#overrides ??= new Map();
    this.#overrides.set(name, value);
  }
}
