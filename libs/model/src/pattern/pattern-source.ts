import { ConfigError } from '../errors.ts';

/** A cursor over the text of a pattern; its errors read like nginx's. */
export class PatternSource {
  readonly text: string;
  at = 0;

  constructor(text: string) {
    this.text = text;
  }

  get done(): boolean {
    return this.at >= this.text.length;
  }

  peek(offset = 0): string {
    return this.text.charAt(this.at + offset);
  }

  next(): string {
    const char = this.text.charAt(this.at);
    this.at += 1;
    return char;
  }

  take(expected: string): boolean {
    if (!this.text.startsWith(expected, this.at)) return false;
    this.at += expected.length;
    return true;
  }

  /** Consumes what a sticky expression matches here. */
  match(expression: RegExp): RegExpExecArray | undefined {
    expression.lastIndex = this.at;
    const match = expression.exec(this.text);
    if (match === null) return undefined;
    this.at += match[0].length;
    return match;
  }

  /** Consumes up to and including the terminator and returns what stood before it. */
  until(terminator: string): string {
    const end = this.text.indexOf(terminator, this.at);
    if (end < 0) throw this.error(`missing ${terminator}`);
    const text = this.text.slice(this.at, end);
    this.at = end + terminator.length;
    return text;
  }

  error(reason: string): ConfigError {
    const rest = this.done ? '' : ` at "${this.text.slice(this.at)}"`;
    return new ConfigError(`pcre_compile() failed: ${reason} in "${this.text}"${rest}`);
  }

  /** For syntax of PCRE that we refuse, as it cannot be run in bounded time or not at all. */
  unsupported(what: string): ConfigError {
    return new ConfigError(`pattern "${this.text}" is not supported: ${what}`);
  }
}
