import { luaToNumber } from '@polygate/model';
import { wireTypeOf } from './proto-shapes.ts';
import type { FieldShape, MessageShape } from './proto-shapes.ts';

/** As deep as cjson reads. */
const NESTING_MAX = 1000;
const INT64_LIMIT = 2 ** 63;
const INTEGER = /^[#+-]*(0[xX][0-9a-fA-F]*|[0-9]*)$/;

/** A value that its field cannot have. */
export class ProtoValueError extends Error {}

/**
 * A message of a plain object, as lua-protobuf's `pb.encode` makes it: numbers may stand as text, int64
 * as `#123`, an enum's value by name or number. Throws a ProtoValueError.
 */
export function encodeMessage(
  shape: MessageShape,
  values: Readonly<Record<string, unknown>>,
  depth = 0,
): Buffer {
  if (depth > NESTING_MAX) throw new ProtoValueError('message too many levels');
  const parts: Buffer[] = [];
  for (const field of shape.fields) {
    const value = Object.hasOwn(values, field.name) ? values[field.name] : undefined;
    if (value === undefined) continue;
    if (field.entry !== undefined) encodeMap(field, field.entry, value, parts, depth);
    else if (field.isRepeated) encodeList(field, value, parts, depth);
    else {
      const bytes = encodeValue(field, value, depth);
      // what proto3 does not send
      const isDefault = shape.isProto3 && field.oneof === undefined && isZero(field, value, bytes);
      if (!isDefault) parts.push(tagOf(field), bytes);
    }
  }
  return Buffer.concat(parts);
}

function encodeMap(
  field: FieldShape,
  { key, value }: NonNullable<FieldShape['entry']>,
  given: unknown,
  parts: Buffer[],
  depth: number,
): void {
  for (const [name, member] of Object.entries(tableOf(field, given))) {
    if (member === undefined) continue;
    const entry = [tagOf(key), encodeValue(key, name, depth)];
    entry.push(tagOf(value), encodeValue(value, member, depth));
    parts.push(tagOf(field), withLength(Buffer.concat(entry)));
  }
}

/** An object is a list of nothing: to Lua both are tables. */
function encodeList(field: FieldShape, given: unknown, parts: Buffer[], depth: number): void {
  const table = tableOf(field, given);
  const values = (Array.isArray(table) ? table : []) as readonly unknown[];
  if (values.length === 0) return;
  const encoded = values.map((value) => encodeValue(field, value, depth));
  if (field.isPacked && wireTypeOf(field) !== 2) {
    parts.push(varint(BigInt((field.number << 3) | 2)), withLength(Buffer.concat(encoded)));
  } else {
    for (const one of encoded) parts.push(tagOf(field), one);
  }
}

/** Without its tag; with its length where it has one. */
function encodeValue(field: FieldShape, value: unknown, depth: number): Buffer {
  switch (field.kind) {
    case 'message': {
      const table = tableOf(field, value);
      const values = Array.isArray(table) ? {} : table;
      if (field.message === undefined) return varint(0n);
      return withLength(encodeMessage(field.message, values, depth + 1));
    }
    case 'enum':
      return varint(enumNumber(field, value));
    case 'string':
    case 'bytes':
      if (typeof value !== 'string') throw unexpected(field, 'string', value);
      return withLength(Buffer.from(value));
    case 'bool':
      // what is not false is true to Lua, text too
      if (value === null) throw unexpected(field, 'boolean', value);
      return varint(value === false ? 0n : 1n);
    case 'double':
    case 'float':
      return floatOf(field, value);
    default:
      return integerBytes(field.kind, integerOf(field, value));
  }
}

function integerBytes(kind: FieldShape['kind'], value: bigint): Buffer {
  switch (kind) {
    case 'int32':
      return varint(BigInt.asIntN(32, value));
    case 'uint32':
      return varint(BigInt.asUintN(32, value));
    case 'sint32':
      return varint(zigzag(BigInt.asIntN(32, value)));
    case 'sint64':
      return varint(zigzag(BigInt.asIntN(64, value)));
    case 'fixed32':
    case 'sfixed32': {
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(Number(BigInt.asUintN(32, value)));
      return bytes;
    }
    case 'fixed64':
    case 'sfixed64': {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt.asUintN(64, value));
      return bytes;
    }
    default:
      return varint(value);
  }
}

function floatOf(field: FieldShape, value: unknown): Buffer {
  const number = luaToNumber(value);
  if (number === undefined) throw unexpected(field, "number/'#number'", value);
  const bytes = Buffer.alloc(field.kind === 'double' ? 8 : 4);
  if (field.kind === 'double') bytes.writeDoubleLE(number);
  else bytes.writeFloatLE(number);
  return bytes;
}

function enumNumber(field: FieldShape, value: unknown): bigint {
  if (typeof value === 'number') return BigInt(Math.trunc(value));
  if (typeof value !== 'string') throw unexpected(field, 'number/string', value);
  const known = field.enum?.numbers.get(value);
  return known === undefined ? integerOf(field, value) : BigInt(known);
}

/** A number, its text, or a text that no double could hold: `#123`, `#-0x1F`. */
function integerOf(field: FieldShape, value: unknown): bigint {
  const number = luaToNumber(value);
  if (number !== undefined) {
    if (!(Math.abs(number) <= INT64_LIMIT)) {
      throw new ProtoValueError('number has no integer representation');
    }
    return BigInt(Math.trunc(number));
  }
  const digits = typeof value === 'string' ? INTEGER.exec(value)?.[1] : undefined;
  if (digits === undefined) throw unexpected(field, "number/'#number'", value);
  const magnitude = /^0[xX]$/.test(digits) ? 0n : BigInt(digits);
  const minuses = [...(value as string)].filter((char) => char === '-').length;
  return minuses % 2 === 0 ? magnitude : -magnitude;
}

function isZero(field: FieldShape, value: unknown, bytes: Buffer): boolean {
  if (field.kind === 'message') return false;
  if (field.kind === 'string' || field.kind === 'bytes') return value === '';
  return bytes.every((byte) => byte === 0);
}

function tableOf(field: FieldShape, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw unexpected(field, 'table', value);
  return value as Readonly<Record<string, unknown>>;
}

function unexpected({ name }: FieldShape, expected: string, value: unknown): ProtoValueError {
  const type = value === null ? 'null' : typeof value;
  return new ProtoValueError(`${expected} expected for field '${name}', got ${type}`);
}

function tagOf(field: FieldShape): Buffer {
  return varint(BigInt(((field.number << 3) | wireTypeOf(field)) >>> 0));
}

function withLength(bytes: Buffer): Buffer {
  return Buffer.concat([varint(BigInt(bytes.length)), bytes]);
}

function zigzag(value: bigint): bigint {
  return value < 0n ? -2n * value - 1n : 2n * value;
}

function varint(value: bigint): Buffer {
  let rest = BigInt.asUintN(64, value);
  const bytes: number[] = [];
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
