import type { TextEntry } from '@polygate/runner-protocol';

interface Field {
  readonly name: string;
  readonly value?: string | undefined;
}

const NO_ENTRIES: readonly TextEntry[] = [];

/**
 * Headers or arguments, in order, with several values per name. Remembers which names were changed,
 * because a rewrite tells the gateway only those.
 */
export class FieldList {
  readonly #ignoresCase: boolean;
  /** Key → the name as it was written last. Made with the first change: most lists see none. */
  #changed: Map<string, string> | undefined;
  #fields: readonly Field[];

  private constructor(entries: readonly TextEntry[], ignoresCase: boolean) {
    this.#fields = entries;
    this.#ignoresCase = ignoresCase;
  }

  static ofHeaders(entries: readonly TextEntry[]): FieldList {
    return new FieldList(entries, true);
  }

  static ofArguments(entries: readonly TextEntry[]): FieldList {
    return new FieldList(entries, false);
  }

  /** The first value; undefined also for an argument without one: see `has`. */
  get(name: string): string | undefined {
    const key = this.#keyOf(name);
    for (const field of this.#fields) if (this.#is(field, key)) return field.value;
    return undefined;
  }

  /** Without those that have no value. */
  getAll(name: string): string[] {
    const key = this.#keyOf(name);
    const values: string[] = [];
    for (const field of this.#fields) {
      if (field.value !== undefined && this.#is(field, key)) values.push(field.value);
    }
    return values;
  }

  has(name: string): boolean {
    const key = this.#keyOf(name);
    return this.#fields.some((field) => this.#is(field, key));
  }

  /** Replaces all of that name. */
  set(name: string, value: string | readonly string[]): void {
    const values = typeof value === 'string' ? [value] : value;
    this.delete(name);
    this.#fields = [...this.#fields, ...values.map((one) => ({ name, value: one }))];
  }

  append(name: string, value: string): void {
    this.#change(name);
    this.#fields = [...this.#fields, { name, value }];
  }

  delete(name: string): void {
    const key = this.#change(name);
    this.#fields = this.#fields.filter((field) => !this.#is(field, key));
  }

  /** All of them, in order. */
  *[Symbol.iterator](): Generator<[name: string, value: string | undefined]> {
    for (const { name, value } of this.#fields) yield [name, value];
  }

  /** What a rewrite has to say: one entry per value, one without value for what is gone. */
  changes(): readonly TextEntry[] {
    if (this.#changed === undefined) return NO_ENTRIES;
    return Array.from(this.#changed.values()).flatMap((name) => {
      const values = this.getAll(name);
      return values.length === 0 ? [{ name }] : values.map((value) => ({ name, value }));
    });
  }

  #change(name: string): string {
    const key = this.#keyOf(name);
    (this.#changed ??= new Map()).set(key, name);
    return key;
  }

  #keyOf(name: string): string {
    return this.#ignoresCase ? name.toLowerCase() : name;
  }

  /** Gateways send header names in lower case, so the second comparison is rare. */
  #is({ name }: Field, key: string): boolean {
    if (name === key) return true;
    return this.#ignoresCase && name.length === key.length && name.toLowerCase() === key;
  }
}
