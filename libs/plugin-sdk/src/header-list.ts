/**
 * Lower-case names of fields that are for one connection only (RFC 9110 section 7.6.1): who sends a
 * message on leaves them out and writes its own.
 */
export const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Name as spelled, name in lower case, value. */
const FIELDS = 3;

/**
 * The headers of one message, in order, with the spelling they came in. Names compare without
 * regard to case. One flat array, because most messages have about ten headers and a scan over those
 * is cheaper than a map.
 */
export class HeaderList {
  readonly #fields: string[] = [];

  /** From alternating names and values, as Node's `rawHeaders`. */
  static fromRaw(raw: readonly string[]): HeaderList {
    const list = new HeaderList();
    for (let i = 0; i + 1 < raw.length; i += 2) {
      list.append(raw[i] as string, raw[i + 1] as string);
    }
    return list;
  }

  get size(): number {
    return this.#fields.length / FIELDS;
  }

  /** The first value of that name. */
  get(name: string): string | undefined {
    return this.getKnown(name.toLowerCase());
  }

  /** For who knows the lower-case name already. */
  getKnown(lowerName: string): string | undefined {
    const index = this.#find(lowerName, 0);
    return index === -1 ? undefined : this.#fields[index + 2];
  }

  getAll(name: string): string[] {
    const lowerName = name.toLowerCase();
    const found: string[] = [];
    let index = this.#find(lowerName, 0);
    while (index !== -1) {
      found.push(this.#fields[index + 2] as string);
      index = this.#find(lowerName, index + FIELDS);
    }
    return found;
  }

  has(name: string): boolean {
    return this.#find(name.toLowerCase(), 0) !== -1;
  }

  /** Replaces every header of that name, in the place of the first one. */
  set(name: string, value: string | readonly string[]): void {
    if (typeof value === 'string') {
      this.setKnown(name, name.toLowerCase(), value);
      return;
    }
    this.delete(name);
    for (const one of value) this.append(name, one);
  }

  /** For who knows the lower-case name already. */
  setKnown(name: string, lowerName: string, value: string): void {
    const index = this.#find(lowerName, 0);
    if (index === -1) {
      this.appendKnown(name, lowerName, value);
      return;
    }
    this.#fields[index] = name;
    this.#fields[index + 2] = value;
    this.#deleteFrom(index + FIELDS, lowerName);
  }

  append(name: string, value: string): void {
    this.appendKnown(name, name.toLowerCase(), value);
  }

  /** For who knows the lower-case name already, as a parser does. */
  appendKnown(name: string, lowerName: string, value: string): void {
    this.#fields.push(name, lowerName, value);
  }

  delete(name: string): void {
    this.#deleteFrom(0, name.toLowerCase());
  }

  /** For who knows the lower-case name already. */
  deleteKnown(lowerName: string): void {
    this.#deleteFrom(0, lowerName);
  }

  /** By position, 0 to `size` - 1: a loop over these allocates nothing. */
  nameAt(index: number): string {
    return this.#fields[index * FIELDS] as string;
  }

  lowerNameAt(index: number): string {
    return this.#fields[index * FIELDS + 1] as string;
  }

  valueAt(index: number): string {
    return this.#fields[index * FIELDS + 2] as string;
  }

  /** Drops every header whose lower-case name the condition refuses. */
  retain(condition: (lowerName: string) => boolean): void {
    const fields = this.#fields;
    let kept = 0;
    for (let i = 0; i < fields.length; i += FIELDS) {
      if (!condition(fields[i + 1] as string)) continue;
      if (kept !== i) {
        fields[kept] = fields[i] as string;
        fields[kept + 1] = fields[i + 1] as string;
        fields[kept + 2] = fields[i + 2] as string;
      }
      kept += FIELDS;
    }
    fields.length = kept;
  }

  /** Name as spelled, lower-case name, value; in order. */
  forEach(visit: (name: string, value: string, lowerName: string) => void): void {
    for (let i = 0; i < this.size; i++) {
      visit(this.nameAt(i), this.valueAt(i), this.lowerNameAt(i));
    }
  }

  /** Alternating names and values, as Node's `rawHeaders`. */
  toRaw(): string[] {
    const raw: string[] = [];
    for (let i = 0; i < this.size; i++) raw.push(this.nameAt(i), this.valueAt(i));
    return raw;
  }

  /** Offset of the first header of that name from an offset on, or -1. */
  #find(lowerName: string, start: number): number {
    const fields = this.#fields;
    for (let i = start; i < fields.length; i += FIELDS) {
      if (fields[i + 1] === lowerName) return i;
    }
    return -1;
  }

  #deleteFrom(start: number, lowerName: string): void {
    let index = this.#find(lowerName, start);
    while (index !== -1) {
      this.#fields.splice(index, FIELDS);
      index = this.#find(lowerName, index);
    }
  }
}
