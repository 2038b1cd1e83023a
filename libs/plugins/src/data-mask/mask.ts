import { compilePattern, ConfigError, PatternSubjectError } from '@polygate/model';
import type { Pattern } from '@polygate/model';
import type { Logger, QueryArgument } from '@polygate/plugin-sdk';
import { compileJsonPath } from '../acl/json-path.ts';
import type { JsonPath } from '../acl/json-path.ts';
import type { MaskItem } from './data-mask.schema.ts';

/** What becomes of a value; undefined: it stays. */
type Verdict = { readonly kind: 'remove' } | { readonly kind: 'set'; readonly value: string };

const REMOVE: Verdict = { kind: 'remove' };

/** One rule of a conf. */
export class Mask {
  readonly item: MaskItem;
  readonly #pattern: Pattern | undefined;
  readonly #path: JsonPath | undefined;
  readonly #problem: string | undefined;

  /** A pattern that is none is told of with each request, as in APISIX. */
  constructor(item: MaskItem) {
    this.item = item;
    this.#path = item.body_format === 'json' ? compileJsonPath(item.name) : undefined;
    if (item.action !== 'regex') return;
    try {
      this.#pattern = compilePattern(item.regex ?? '');
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      this.#problem = error.message;
    }
  }

  /** Of a header. */
  verdictOf(value: unknown, place: string, log: Logger): Verdict | undefined {
    const { action, name, value: replacement = '' } = this.item;
    if (action === 'remove') return REMOVE;
    if (action === 'replace') return { kind: 'set', value: replacement };
    if (typeof value !== 'string') {
      log.warn(`data-mask: skipping regex for non-string value ${place}: ${name}`);
      return undefined;
    }
    if (this.#pattern === undefined) {
      log.error(`failed to apply regex substitution: ${this.#problem ?? ''}`);
      return undefined;
    }
    try {
      if (!this.#pattern.test(value)) return undefined;
      return { kind: 'set', value: this.#pattern.replaceFirst(value, replacement) };
    } catch (error) {
      if (!(error instanceof PatternSubjectError)) throw error;
      log.error(`failed to apply regex substitution: ${error.message}`);
      // too long to be looked through: none of it is logged
      return { kind: 'set', value: '' };
    }
  }

  /** Undefined: nothing to be masked. A name that is there several times is replaced by one value. */
  maskArguments(args: readonly QueryArgument[], log: Logger): QueryArgument[] | undefined {
    const { name, action } = this.item;
    const masked: QueryArgument[] = [];
    let isMasked = false;
    let isReplaced = false;
    for (const argument of args) {
      if (argument.name !== name) {
        masked.push(argument);
        continue;
      }
      const verdict = this.verdictOf(argument.value, 'in field', log);
      if (verdict === undefined) masked.push(argument);
      else if (verdict.kind === 'set' && !isReplaced) masked.push({ name, value: verdict.value });
      isMasked ||= verdict !== undefined;
      isReplaced = action === 'replace';
    }
    return isMasked ? masked : undefined;
  }

  /** In place. False: nothing was masked. The last nodes come first: those of a list move up. */
  maskJson(document: unknown, log: Logger): boolean {
    let isMasked = false;
    for (const { value, holder, key } of (this.#path?.(document) ?? []).toReversed()) {
      if (holder === undefined) continue;
      const verdict = this.verdictOf(value, 'at path', log);
      if (verdict === undefined) continue;
      isMasked = true;
      const members = holder as Record<string | number, unknown>;
      if (verdict.kind === 'set') members[key] = verdict.value;
      else if (Array.isArray(holder)) holder.splice(Number(key), 1);
      else delete members[key];
    }
    return isMasked;
  }
}
