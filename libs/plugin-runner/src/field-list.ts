import type { TextEntry } from '@polygate/runner-protocol';

interface Field {
  readonly name: string;
  readonly value: string | undefined;
}

/**
 * Headers or arguments, in order, with several values per name. Remembers which names were changed,
 * because a rewrite tells the gateway only those.
 */
export class FieldList {
  readonly #key: (name: string) => string;
  readonly #changed = new Map<string, string>();
  #fields: readonly Field[];

  private constructor(entries: readonly TextEntry[], key: (name: string) => string) {
    this.#key = key;
    this.#fields = entries.map(({ name, value }) => ({ name, value }));
  }

  static ofHeaders(entries: readonly TextEntry[]): FieldList {
    return new FieldList(entries, (name) => name.toLowerCase());
  }

  static ofArguments(entries: readonly TextEntry[]): FieldList {
    return new FieldList(entries, (name) => name);
  }

  /** The first value; undefined also for an argument without one: see `has`. */
  get(name: string): string | undefined {
    const key = this.#key(name);
    return this.#fields.find((field) => this.#key(field.name) === key)?.value;
  }

  /** Without those that have no value. */
  getAll(name: string): string[] {
    const key = this.#key(name);
    return this.#fields.flatMap((field) =>
      field.value !== undefined && this.#key(field.name) === key ? [field.value] : [],
    );
  }

  has(name: string): boolean {
    const key = this.#key(name);
    return this.#fields.some((field) => this.#key(field.name) === key);
  }

  /** Replaces all of that name. */
  set(name: string, value: string | readonly string[]): void {
    const values = typeof value === 'string' ? [value] : value;
    this.delete(name);
    this.#fields = [...this.#fields, ...values.map((one) => ({ name, value: one }))];
  }

  append(name: string, value: string): void {
    this.#changed.set(this.#key(name), name);
    this.#fields = [...this.#fields, { name, value }];
  }

  delete(name: string): void {
    const key = this.#key(name);
    this.#changed.set(key, name);
    this.#fields = this.#fields.filter((field) => this.#key(field.name) !== key);
  }

  /** All of them, in order. */
  *[Symbol.iterator](): Generator<[name: string, value: string | undefined]> {
    for (const { name, value } of this.#fields) yield [name, value];
  }

  /** What a rewrite has to say: one entry per value, one without value for what is gone. */
  changes(): TextEntry[] {
    return Array.from(this.#changed.values()).flatMap((name) => {
      const values = this.getAll(name);
      return values.length === 0 ? [{ name }] : values.map((value) => ({ name, value }));
    });
  }
}
