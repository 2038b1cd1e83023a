import type { ProtoOption } from './grpc-transcode.schema.ts';
import { wireTypeOf } from './proto-shapes.ts';
import type { EnumShape, FieldShape, MessageShape } from './proto-shapes.ts';

const NESTING_MAX = 1000;
const INT_MIN = -(2n ** 31n);
const UINT_MAX = 2n ** 32n - 1n;
const WIRE_NAMES = ['varint', '64bit', 'bytes', 'gstart', 'gend', '32bit'];
const UNSIGNED: ReadonlySet<FieldShape['kind']> = new Set([
  ...(['uint32', 'uint64', 'fixed32', 'fixed64'] as const),
]);

export interface DecodeOptions {
  readonly enumAsValue: boolean;
  readonly int64: 'number' | 'string' | 'hexstring';
  /** Which absent fields are told of. `auto`: those of proto3. `lists`: its lists and maps only. */
  readonly defaults: 'auto' | 'none' | 'all' | 'lists';
}

/** Texts and bytes stand one character a byte (latin1). Without prototype: a key may be `__proto__`. */
export interface DecodedMessage {
  [field: string]: DecodedValue;
}
export type DecodedValue = string | number | boolean | DecodedMessage | DecodedValue[];

/** Later options win over earlier ones, in alphabetical order, as APISIX sorts them. */
export function decodeOptions(options: readonly ProtoOption[]): DecodeOptions {
  const chosen = { enumAsValue: false, int64: 'number', defaults: 'auto' } as {
    -readonly [K in keyof DecodeOptions]: DecodeOptions[K];
  };
  for (const option of [...options].sort()) {
    if (option === 'enum_as_name' || option === 'enum_as_value') {
      chosen.enumAsValue = option === 'enum_as_value';
    } else if (option.startsWith('int64_as_')) {
      chosen.int64 = option.slice('int64_as_'.length) as DecodeOptions['int64'];
    } else if (option === 'auto_default_values') chosen.defaults = 'auto';
    else if (option === 'no_default_values') chosen.defaults = 'none';
    else if (option === 'use_default_values') chosen.defaults = 'all';
    // defaults that only Lua sees: JSON has none of them
    else if (option === 'use_default_metatable') chosen.defaults = 'lists';
  }
  return chosen;
}

/** What lua-protobuf's `pb.decode` makes of it. Throws an Error for what is no such message. */
export function decodeMessage(
  shape: MessageShape,
  bytes: Buffer,
  options: DecodeOptions,
): DecodedMessage {
  return new Decoder(bytes, options, 0).message(shape);
}

class Decoder {
  readonly #bytes: Buffer;
  readonly #options: DecodeOptions;
  readonly #depth: number;
  #at = 0;

  constructor(bytes: Buffer, options: DecodeOptions, depth: number) {
    if (depth > NESTING_MAX) throw new Error('too many levels');
    this.#bytes = bytes;
    this.#options = options;
    this.#depth = depth;
  }

  message(shape: MessageShape): DecodedMessage {
    const message = withDefaults(shape, this.#options);
    while (this.#at < this.#bytes.length) {
      const tag = Number(this.#varint());
      const field = shape.byNumber.get(Math.floor(tag / 8));
      if (field === undefined) this.#skip(tag & 7);
      else this.#field(message, field, tag & 7);
    }
    return message;
  }

  #field(message: DecodedMessage, field: FieldShape, wireType: number): void {
    const { name, oneof } = field;
    if (field.entry !== undefined) {
      this.#expect(field, wireType);
      this.#entry((message[name] ??= emptyTable()) as DecodedMessage, field.entry);
    } else if (field.isRepeated) {
      this.#items((message[name] ??= []) as DecodedValue[], field, wireType);
    } else {
      this.#expect(field, wireType);
      // lua-protobuf tells which member of a oneof it was
      if (oneof !== undefined) message[oneof] = name;
      message[name] = this.#value(field);
    }
  }

  #items(list: DecodedValue[], field: FieldShape, wireType: number): void {
    if (wireType !== 2 || wireTypeOf(field) === 2) {
      this.#expect(field, wireType);
      list.push(this.#value(field));
      return;
    }
    const packed = new Decoder(this.#slice(), this.#options, this.#depth + 1);
    while (packed.#at < packed.#bytes.length) list.push(packed.#value(field));
  }

  #entry(map: DecodedMessage, { key, value }: NonNullable<FieldShape['entry']>): void {
    const inner = new Decoder(this.#slice(), this.#options, this.#depth + 1);
    let [name, member] = [defaultOf(key, true, this.#options), entryDefault(value, this.#options)];
    while (inner.#at < inner.#bytes.length) {
      const tag = Number(inner.#varint());
      const field = [key, value][Math.floor(tag / 8) - 1];
      if (field === undefined) {
        inner.#skip(tag & 7);
        continue;
      }
      inner.#expect(field, tag & 7);
      // a key is never a message
      if (field === key) name = inner.#value(field) as string | number | boolean;
      else member = inner.#value(field);
    }
    if (member !== undefined) map[String(name)] = member;
  }

  #value(field: FieldShape): DecodedValue {
    switch (field.kind) {
      case 'message': {
        const inner = new Decoder(this.#slice(), this.#options, this.#depth + 1);
        return field.message === undefined ? emptyTable() : inner.message(field.message);
      }
      case 'enum': {
        const number = this.#varint();
        const name = this.#options.enumAsValue ? undefined : enumName(field.enum, number);
        return name ?? integer(number, true, this.#options);
      }
      case 'string':
      case 'bytes':
        return this.#slice().toString('latin1');
      case 'bool':
        return this.#varint() !== 0n;
      case 'double':
        return this.#fixed(8).readDoubleLE();
      case 'float':
        return this.#fixed(4).readFloatLE();
      default:
        return integer(this.#integer(field.kind), UNSIGNED.has(field.kind), this.#options);
    }
  }

  #integer(kind: FieldShape['kind']): bigint {
    switch (kind) {
      case 'fixed32':
        return BigInt(this.#fixed(4).readUInt32LE());
      case 'sfixed32':
        return BigInt(this.#fixed(4).readInt32LE());
      case 'fixed64':
      case 'sfixed64':
        return this.#fixed(8).readBigUInt64LE();
      case 'int32':
        return BigInt.asIntN(32, this.#varint());
      case 'uint32':
        return BigInt.asUintN(32, this.#varint());
      case 'sint32':
        return unzigzag(BigInt.asUintN(32, this.#varint()));
      case 'sint64':
        return unzigzag(this.#varint());
      default:
        return this.#varint();
    }
  }

  #expect(field: FieldShape, wireType: number): void {
    const expected = wireTypeOf(field);
    const { name, kind } = field;
    if (wireType === expected) return;
    throw new Error(
      `type mismatch for field '${name}' at offset ${this.#at + 1}, ` +
        `${WIRE_NAMES[expected]} expected for type ${kind}, got ${WIRE_NAMES[wireType]}`,
    );
  }

  #skip(wireType: number): void {
    if (wireType === 0) this.#varint();
    else if (wireType === 1) this.#fixed(8);
    else if (wireType === 2) this.#slice();
    else if (wireType === 5) this.#fixed(4);
    else throw new Error(`wire type ${wireType} at offset ${this.#at + 1}`);
  }

  #varint(): bigint {
    let value = 0;
    // seven bits at a time, as a number while it is one
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = this.#byte();
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt(value);
    }
    let large = BigInt(value);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      large |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, large);
    }
    throw new Error(`invalid varint value at offset ${this.#at + 1}`);
  }

  #byte(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error(`invalid varint value at offset ${this.#at + 1}`);
    this.#at += 1;
    return byte;
  }

  #fixed(bytes: number): Buffer {
    const end = this.#at + bytes;
    if (end > this.#bytes.length) {
      throw new Error(`unfinished bytes (len ${bytes} at offset ${this.#at + 1})`);
    }
    const slice = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return slice;
  }

  #slice(): Buffer {
    return this.#fixed(Number(this.#varint()));
  }
}

/** lpb_setdeffields: members of a oneof have no default, and lists only where a file is of proto3. */
function withDefaults(shape: MessageShape, options: DecodeOptions): DecodedMessage {
  const message = emptyTable();
  const { defaults } = options;
  if (defaults === 'none' || (defaults === 'auto' && !shape.isProto3)) return message;
  for (const field of shape.fields) {
    if (field.isRepeated) {
      if (shape.isProto3) message[field.name] = field.entry === undefined ? [] : emptyTable();
    } else if (defaults !== 'lists' && field.oneof === undefined && field.kind !== 'message') {
      const value = defaultOf(field, shape.isProto3, options);
      if (value !== undefined) message[field.name] = value;
    }
  }
  return message;
}

/** Of a map's value that was not sent. */
function entryDefault(value: FieldShape, options: DecodeOptions): DecodedValue | undefined {
  if (value.message !== undefined) return withDefaults(value.message, options);
  return defaultOf(value, true, options);
}

function defaultOf(
  { kind, defaultValue, enum: names }: FieldShape,
  isProto3: boolean,
  options: DecodeOptions,
): string | number | boolean | undefined {
  if (kind === 'enum') {
    const number = defaultValue === undefined ? 0 : names?.numbers.get(String(defaultValue));
    if (number === undefined || (defaultValue === undefined && !isProto3)) return undefined;
    return options.enumAsValue ? number : (names?.names.get(number) ?? number);
  }
  if (defaultValue === undefined && !isProto3) return undefined;
  switch (kind) {
    case 'string':
    case 'bytes':
      return Buffer.from(String(defaultValue ?? '')).toString('latin1');
    case 'bool':
      return defaultValue === true;
    default:
      return Number(defaultValue ?? 0);
  }
}

function enumName(shape: EnumShape | undefined, number: bigint): string | undefined {
  return shape?.names.get(Number(BigInt.asIntN(32, number)));
}

/** As text from where a signed or unsigned 32-bit number ends. Lua's numbers are doubles. */
function integer(value: bigint, isUnsigned: boolean, { int64 }: DecodeOptions): number | string {
  const signed = BigInt.asIntN(64, value);
  const isPlain = signed >= INT_MIN && signed <= UINT_MAX && !(isUnsigned && signed < 0n);
  if (int64 === 'number' || isPlain) return Number(signed);
  const shown = isUnsigned ? BigInt.asUintN(64, signed) : signed;
  const magnitude = shown < 0n ? -shown : shown;
  const digits =
    int64 === 'string' ? String(magnitude) : `0x${magnitude.toString(16).toUpperCase()}`;
  return `#${shown < 0n ? '-' : ''}${digits}`;
}

function unzigzag(value: bigint): bigint {
  return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n);
}

function emptyTable(): DecodedMessage {
  return Object.create(null) as DecodedMessage;
}
