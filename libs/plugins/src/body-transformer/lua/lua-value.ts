/** nil is undefined. Texts are Unicode, not bytes: bodies are read and written as UTF-8. */
export type LuaValue =
  undefined | boolean | number | string | typeof NULL | LuaTable | LuaObject | LuaFunction;

/** JSON's null: not nil, as in cjson. */
export const NULL = Symbol('null');

export type LuaKey = boolean | number | string;

/** Gets its arguments; `run` is what it costs. */
export type LuaFunction = (args: readonly LuaValue[], run: LuaBudget) => readonly LuaValue[];

/** Something of the gateway's that templates may look at, and not change. */
export interface LuaObject {
  readonly isLuaObject: true;
  get(key: LuaKey): LuaValue;
}

/** What goes wrong while a template is rendered. */
export class LuaError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LuaError';
  }
}

const STEPS_MAX = 2_000_000;
const TEXT_MAX = 64 * 1024 * 1024;
/** Characters that are copied in about the time of a step. */
const CHARACTERS_A_STEP = 256;

/** What one rendering may cost: loops end, and texts do not grow without end. */
export class LuaBudget {
  #steps = STEPS_MAX;

  step(count = 1): void {
    this.#steps -= count;
    if (this.#steps < 0) throw new LuaError('the template takes too many steps');
  }

  /** For a text that is made. */
  text(length: number): void {
    if (length > TEXT_MAX) throw new LuaError('the template makes too long a text');
    this.step(1 + length / CHARACTERS_A_STEP);
  }
}

/** A table: keys in the order they came. Whole numbers from 1 on are its list. */
export class LuaTable {
  readonly #entries = new Map<LuaKey, LuaValue>();
  /** What answers for keys that are not there. */
  readonly fallback: ReadonlyMap<LuaKey, LuaValue> | undefined;
  /** Came out of a JSON list: stays one when it is empty. */
  isList = false;

  constructor(fallback?: ReadonlyMap<LuaKey, LuaValue>) {
    this.fallback = fallback;
  }

  static list(values: Iterable<LuaValue>): LuaTable {
    const table = new LuaTable();
    table.isList = true;
    let index = 1;
    for (const value of values) table.set(index++, value);
    return table;
  }

  static of(entries: Iterable<readonly [LuaKey, LuaValue]>): LuaTable {
    const table = new LuaTable();
    for (const [key, value] of entries) table.set(key, value);
    return table;
  }

  get(key: LuaKey): LuaValue {
    return this.#entries.get(key) ?? this.fallback?.get(key);
  }

  set(key: LuaKey, value: LuaValue): void {
    if (value === undefined) this.#entries.delete(key);
    else this.#entries.set(key, value);
  }

  get length(): number {
    let length = 0;
    while (this.#entries.has(length + 1)) length++;
    return length;
  }

  get size(): number {
    return this.#entries.size;
  }

  entries(): [LuaKey, LuaValue][] {
    return [...this.#entries];
  }

  /** As many as there are, from 1 on. */
  listed(): LuaValue[] {
    return Array.from({ length: this.length }, (_, i) => this.#entries.get(i + 1));
  }

  /** The list as a whole, anew. */
  setListed(values: readonly LuaValue[]): void {
    for (let i = this.length; i > values.length; i--) this.#entries.delete(i);
    values.forEach((value, i) => this.set(i + 1, value));
  }
}

export function isLuaObject(value: LuaValue): value is LuaObject {
  return typeof value === 'object' && !(value instanceof LuaTable);
}

export function typeName(value: LuaValue): string {
  if (value === undefined) return 'nil';
  if (value === NULL) return 'userdata';
  if (typeof value === 'object') return 'table';
  return typeof value;
}

/** False and nil are not, everything else is. */
export function isTrue(value: LuaValue): boolean {
  return value !== undefined && value !== false;
}

/** `%.14g`, as LuaJIT writes numbers. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const exact = Number(value.toPrecision(14));
  const exponent = Math.floor(Math.log10(Math.abs(exact)));
  if (exponent >= -5 && exponent < 14) return String(exact);
  const [digits = '', power = '0'] = exact.toExponential().split('e');
  const sign = power.startsWith('-') ? '-' : '+';
  return `${digits}e${sign}${power.slice(1).padStart(2, '0')}`;
}

export function toText(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return numberText(value);
  if (value === undefined) return 'nil';
  if (value === NULL) return 'userdata: NULL';
  return typeof value === 'boolean' ? String(value) : `${typeName(value)}: 0x00000000`;
}

/** A number, or a text that is one; undefined otherwise. */
export function toNumber(value: LuaValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  const text = value.trim();
  if (!/^-?(0[xX][0-9a-fA-F]+|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$/.test(text)) return undefined;
  return text.startsWith('-') ? -Number(text.slice(1)) : Number(text);
}
