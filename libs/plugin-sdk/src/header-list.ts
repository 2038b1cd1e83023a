/**
 * The headers of one message, in order, with the spelling they came in. Names compare without
 * regard to case. Flat arrays, because most messages have about ten headers and a scan over those
 * is cheaper than a map.
 */
export class HeaderList {
  readonly #names: string[] = [];
  readonly #lowerNames: string[] = [];
  readonly #values: string[] = [];

  /** From alternating names and values, as Node's `rawHeaders`. */
  static fromRaw(raw: readonly string[]): HeaderList {
    const list = new HeaderList();
    for (let i = 0; i + 1 < raw.length; i += 2) {
      list.append(raw[i] as string, raw[i + 1] as string);
    }
    return list;
  }

  get size(): number {
    return this.#names.length;
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    const index = this.#lowerNames.indexOf(name.toLowerCase());
    return index === -1 ? undefined : this.#values[index];
  }

  getAll(name: string): string[] {
    const lower = name.toLowerCase();
    const found: string[] = [];
    for (let i = 0; i < this.#lowerNames.length; i++) {
      if (this.#lowerNames[i] === lower) found.push(this.#values[i] as string);
    }
    return found;
  }

  has(name: string): boolean {
    return this.#lowerNames.includes(name.toLowerCase());
  }

  /** Replaces every header of that name, in the place of the first one. */
  set(name: string, value: string | readonly string[]): void {
    if (typeof value !== 'string') {
      this.delete(name);
      for (const one of value) this.append(name, one);
      return;
    }
    const index = this.#lowerNames.indexOf(name.toLowerCase());
    if (index === -1) {
      this.append(name, value);
      return;
    }
    this.#names[index] = name;
    this.#values[index] = value;
    this.#deleteFrom(index + 1, this.#lowerNames[index] as string);
  }

  append(name: string, value: string): void {
    this.appendKnown(name, name.toLowerCase(), value);
  }

  /** For who knows the lower-case name already, as a parser does. */
  appendKnown(name: string, lowerName: string, value: string): void {
    this.#names.push(name);
    this.#lowerNames.push(lowerName);
    this.#values.push(value);
  }

  /** By position, 0 to `size` - 1: a loop over these allocates nothing. */
  nameAt(index: number): string {
    return this.#names[index] as string;
  }

  lowerNameAt(index: number): string {
    return this.#lowerNames[index] as string;
  }

  valueAt(index: number): string {
    return this.#values[index] as string;
  }

  delete(name: string): void {
    this.#deleteFrom(0, name.toLowerCase());
  }

  /** Drops every header whose lower-case name the condition refuses. */
  retain(condition: (lowerName: string) => boolean): void {
    let kept = 0;
    for (let i = 0; i < this.#names.length; i++) {
      const lowerName = this.#lowerNames[i] as string;
      if (!condition(lowerName)) continue;
      if (kept !== i) {
        this.#names[kept] = this.#names[i] as string;
        this.#lowerNames[kept] = lowerName;
        this.#values[kept] = this.#values[i] as string;
      }
      kept += 1;
    }
    this.#names.length = kept;
    this.#lowerNames.length = kept;
    this.#values.length = kept;
  }

  /** Name as spelled, lower-case name, value; in order. */
  forEach(visit: (name: string, value: string, lowerName: string) => void): void {
    for (let i = 0; i < this.#names.length; i++) {
      visit(this.#names[i] as string, this.#values[i] as string, this.#lowerNames[i] as string);
    }
  }

  /** Alternating names and values, as Node's `rawHeaders`. */
  toRaw(): string[] {
    const raw: string[] = [];
    for (let i = 0; i < this.#names.length; i++) {
      raw.push(this.#names[i] as string, this.#values[i] as string);
    }
    return raw;
  }

  #deleteFrom(start: number, lowerName: string): void {
    let index = this.#lowerNames.indexOf(lowerName, start);
    while (index !== -1) {
      this.#names.splice(index, 1);
      this.#lowerNames.splice(index, 1);
      this.#values.splice(index, 1);
      index = this.#lowerNames.indexOf(lowerName, index);
    }
  }
}
