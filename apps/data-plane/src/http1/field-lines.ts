import type { HeaderList } from '@polygate/plugin-sdk';
import { TOKEN_LOWER } from './byte-class.ts';

/** Names that are known to be right, with what stands before their value. */
const STARTS_MAX = 1024;

/** A match costs nearly nothing on a text of one byte a character, and refuses splitting for sure. */
const SPLITS_OR_WIDE = /[\0\r\n\u0100-\uffff]/;
const SPLITS = /[\0\r\n]/;

/**
 * Writes fields as lines. Plugins put what they like into a HeaderList, so names are checked to be
 * tokens (once each, while they are remembered) and values to hold no CR, LF or NUL: with those a
 * plugin that copies input into a field would let a client write the rest of the head.
 */
export class FieldLines {
  readonly #skipped: ReadonlySet<string>;
  /** From the spelled name; empty: the field is skipped. */
  readonly #starts = new Map<string, string>();

  /** `skipped`: lower-case names that are never written. */
  constructor(skipped: ReadonlySet<string>) {
    this.#skipped = skipped;
  }

  /** Each line with CR LF before it, none behind. Throws a `TypeError` on what would split. */
  text(headers: HeaderList): string {
    let text = '';
    for (let i = 0; i < headers.size; i++) {
      const name = headers.nameAt(i);
      const start = this.#starts.get(name) ?? this.#startOf(name, headers.lowerNameAt(i));
      if (start !== '') text = text + start + fieldText(headers.valueAt(i), name);
    }
    return text;
  }

  #startOf(name: string, lower: string): string {
    if (!isToken(name)) throw new TypeError(`header name is invalid: ${JSON.stringify(name)}`);
    const start = this.#skipped.has(lower) ? '' : `\r\n${name}: `;
    if (this.#starts.size >= STARTS_MAX) this.#starts.clear();
    this.#starts.set(name, start);
    return start;
  }
}

/**
 * The value as Latin-1 text. Where it has characters beyond Latin-1, which a Latin-1 write would cut
 * down to other ones (U+010A to LF), it is its UTF-8 bytes, as in APISIX. Throws a `TypeError` on CR,
 * LF and NUL.
 */
export function fieldText(value: string, name: string): string {
  if (!SPLITS_OR_WIDE.test(value)) return value;
  if (SPLITS.test(value))
    throw new TypeError(`header ${name} has a line break or NUL in its value`);
  return Buffer.from(value, 'utf8').toString('latin1');
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f || TOKEN_LOWER[code] === 0) return false;
  }
  return text !== '';
}
