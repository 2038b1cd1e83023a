import { LuaSyntaxError, unexpected, type Token } from './lua-tokens.ts';
import type { LuaValue } from './lua-value.ts';

const LITERAL_WORDS: ReadonlyMap<string, LuaValue> = new Map([
  ['nil', undefined],
  ['true', true],
  ['false', false],
]);

/** Goes over tokens, one after another. */
export class TokenReader {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  peek(): Token | undefined {
    return this.#tokens[this.#at];
  }

  next(): Token | undefined {
    return this.#tokens[this.#at++];
  }

  /** A word or symbol that is next. */
  peekSymbol(): string | undefined {
    const token = this.peek();
    return token?.kind === 'symbol' || token?.kind === 'word' ? token.text : undefined;
  }

  accept(symbol: string): boolean {
    if (this.peekSymbol() !== symbol) return false;
    this.#at += 1;
    return true;
  }

  expect(symbol: string): void {
    if (!this.accept(symbol))
      throw new LuaSyntaxError(`'${symbol}' expected near '${this.near()}'`);
  }

  name(): string {
    const token = this.next();
    if (token?.kind === 'name') return token.text;
    this.#at -= 1;
    throw unexpected(this.near());
  }

  isString(): boolean {
    return this.peek()?.kind === 'string';
  }

  acceptString(): string | undefined {
    const token = this.peek();
    if (token?.kind !== 'string') return undefined;
    this.#at += 1;
    return token.value;
  }

  acceptLiteral(): { readonly value: LuaValue } | undefined {
    const token = this.peek();
    if (token?.kind === 'string' || token?.kind === 'number') {
      this.#at += 1;
      return token;
    }
    if (token?.kind !== 'word' || !LITERAL_WORDS.has(token.text)) return undefined;
    this.#at += 1;
    return { value: LITERAL_WORDS.get(token.text) };
  }

  /** Whether `name =` comes next. */
  isAssignment(): boolean {
    const behind = this.#tokens[this.#at + 1];
    return this.peek()?.kind === 'name' && behind?.kind === 'symbol' && behind.text === '=';
  }

  /** Of a call with one text, as in `require 'x'` and `require("x")`; nothing is taken. */
  stringBehind(): string | undefined {
    const [first, second] = this.#tokens.slice(this.#at, this.#at + 2);
    if (first?.kind === 'string') return first.value;
    const isCall = first?.kind === 'symbol' && first.text === '(';
    return isCall && second?.kind === 'string' ? second.value : undefined;
  }

  near(): string {
    const token = this.peek();
    if (token === undefined) return '<eof>';
    if (token.kind === 'number') return String(token.value);
    if (token.kind === 'output') return '{{';
    return token.kind === 'string' || token.kind === 'text' ? token.value.slice(0, 20) : token.text;
  }
}
