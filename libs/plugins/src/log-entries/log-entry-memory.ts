import type { HeaderList } from '@polygate/plugin-sdk';
import { jsonHeaders, jsonText } from './log-entry-json.ts';

// From one request of a route to the next most of an entry stays the same: the route, the consumer, who
// the client is, nearly all headers. To see that a text is the same costs a fifth of looking through it
// for what JSON has to escape. Each of these remembers one request, no more.

/** What is longer is not kept from one request to the next. */
const KEPT_CHARS_MAX = 256;
const KEPT_HEADERS_MAX = 50;

/** JSON of a text that is often the same as the last time. */
export class RepeatedText {
  #value = '';
  #json = '""';

  json(value: string): string {
    if (value === this.#value) return this.#json;
    const json = jsonText(value);
    if (value.length <= KEPT_CHARS_MAX) {
      this.#value = value;
      this.#json = json;
    }
    return json;
  }
}

/** Digits of a number that is often the same as the last time: a time in milliseconds has many. */
export class RepeatedNumber {
  #value = 0;
  #digits = '0';

  digits(value: number): string {
    if (value !== this.#value) {
      this.#value = value;
      this.#digits = String(value);
    }
    return this.#digits;
  }
}

/** JSON of headers whose names are often the same as the last time, and most of whose values. */
export class RepeatedHeaders {
  #names: string[] = [];
  #values: string[] = [];
  /** `{"name":"value"`, and from the second on `,"name":"value"` */
  #members: string[] = [];
  /** Of `#members`; undefined since one of them changed. */
  #json: string | undefined = '{}';

  json(headers: HeaderList): string {
    const { size } = headers;
    if (size !== this.#names.length || !this.#hasNames(headers)) return this.#learn(headers);
    for (let i = 0; i < size; i++) {
      const value = headers.valueAt(i);
      if (value === this.#values[i]) continue;
      if (value.length > KEPT_CHARS_MAX) return jsonHeaders(headers);
      this.#values[i] = value;
      this.#members[i] = member(i, this.#names[i] as string, value);
      this.#json = undefined;
    }
    return (this.#json ??= this.#join());
  }

  #hasNames(headers: HeaderList): boolean {
    const names = this.#names;
    for (let i = 0; i < names.length; i++) if (headers.lowerNameAt(i) !== names[i]) return false;
    return true;
  }

  #learn(headers: HeaderList): string {
    const { size } = headers;
    const names = Array.from({ length: size }, (_, i) => headers.lowerNameAt(i));
    const values = names.map((_, i) => headers.valueAt(i));
    const isKept =
      size <= KEPT_HEADERS_MAX &&
      new Set(names).size === size &&
      [...names, ...values].every((text) => text.length <= KEPT_CHARS_MAX);
    if (!isKept) return jsonHeaders(headers);
    this.#names = names;
    this.#values = values;
    this.#members = names.map((name, i) => member(i, name, values[i] as string));
    return (this.#json = this.#join());
  }

  #join(): string {
    let json = '';
    for (const text of this.#members) json += text;
    return json === '' ? '{}' : `${json}}`;
  }
}

function member(index: number, name: string, value: string): string {
  return `${index === 0 ? '{' : ','}${jsonText(name)}:${jsonText(value)}`;
}
