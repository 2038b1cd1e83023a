import { loadProto } from '@polygate/model';
import type { LoadedProto } from '@polygate/model';

type Root = LoadedProto['root'];
type Reflected = Root['nestedArray'][number];
type ReflectedType = ReturnType<Root['lookupType']>;
type ReflectedField = ReflectedType['fieldsArray'][number];
type ReflectedEnum = ReturnType<Root['lookupEnum']>;

export type ScalarKind =
  | 'bool'
  | 'double'
  | 'float'
  | 'fixed32'
  | 'sfixed32'
  | 'int32'
  | 'uint32'
  | 'sint32'
  | 'fixed64'
  | 'sfixed64'
  | 'int64'
  | 'uint64'
  | 'sint64'
  | 'string'
  | 'bytes';

export interface EnumShape {
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
}

export interface FieldShape {
  readonly name: string;
  readonly number: number;
  readonly kind: ScalarKind | 'enum' | 'message';
  readonly isRepeated: boolean;
  readonly isPacked: boolean;
  /** Of a map: its entries' key and value. */
  readonly entry: { readonly key: FieldShape; readonly value: FieldShape } | undefined;
  /** Of kind `message`, and no map. */
  readonly message: MessageShape | undefined;
  readonly enum: EnumShape | undefined;
  readonly oneof: string | undefined;
  /** As written in a proto2 file. */
  readonly defaultValue: string | number | boolean | undefined;
}

export interface MessageShape {
  readonly isProto3: boolean;
  readonly fields: readonly FieldShape[];
  readonly byNumber: ReadonlyMap<number, FieldShape>;
}

export interface MethodShape {
  readonly input: MessageShape;
  readonly output: MessageShape;
}

const WIRE_TYPES: Readonly<Partial<Record<FieldShape['kind'], number>>> = {
  ...{ double: 1, fixed64: 1, sfixed64: 1 },
  ...{ string: 2, bytes: 2, message: 2 },
  ...{ float: 5, fixed32: 5, sfixed32: 5 },
};

/** Of one value; a packed list is of type 2. */
export function wireTypeOf({ kind }: FieldShape): number {
  return WIRE_TYPES[kind] ?? 0;
}

/** A proto, ready to be encoded and decoded with. */
export class ProtoShapes {
  readonly #proto: LoadedProto;
  readonly #messages = new Map<ReflectedType, MessageShape>();

  /** Of the text of a .proto file, or base64 of a FileDescriptorSet. Throws an Error. */
  constructor(content: string) {
    this.#proto = loadProto(content);
  }

  /** `service` with its package. */
  findMethod(service: string, method: string): MethodShape | undefined {
    const found = this.#find(service);
    if (found === undefined || !('methods' in found)) return undefined;
    const { methods } = found as ReturnType<Root['lookupService']>;
    const reflected = Object.hasOwn(methods, method) ? methods[method] : undefined;
    const { resolvedRequestType: input, resolvedResponseType: output } = reflected ?? {};
    if (!input || !output) return undefined;
    return { input: this.#messageOf(input), output: this.#messageOf(output) };
  }

  /** By its name with the package. */
  findMessage(name: string): MessageShape | undefined {
    const found = this.#find(name);
    return found !== undefined && isType(found) ? this.#messageOf(found) : undefined;
  }

  #find(name: string): Reflected | undefined {
    return this.#proto.root.lookup(name.startsWith('.') ? name : `.${name}`) ?? undefined;
  }

  /** Messages refer to themselves: a shape is known before its fields are. */
  #messageOf(type: ReflectedType): MessageShape {
    const known = this.#messages.get(type);
    if (known !== undefined) return known;
    const fields: FieldShape[] = [];
    const byNumber = new Map<number, FieldShape>();
    const shape: MessageShape = { isProto3: editionOf(type) === 'proto3', fields, byNumber };
    this.#messages.set(type, shape);
    for (const field of type.fieldsArray) {
      const one = this.#fieldOf(field);
      fields.push(one);
      byNumber.set(one.number, one);
    }
    return shape;
  }

  #fieldOf(field: ReflectedField): FieldShape {
    const { resolvedType } = field;
    const message = resolvedType !== null && isType(resolvedType) ? resolvedType : undefined;
    const options = field.options as { default?: FieldShape['defaultValue'] } | undefined;
    const shape = {
      name: fieldName(field),
      number: field.id,
      isRepeated: field.repeated,
      isPacked: field.packed,
      entry: undefined,
      message: undefined,
      enum: undefined,
      oneof: field.partOf?.name,
      defaultValue: options?.default,
    };
    if (field.map) {
      const value = { ...shape, name: 'value', number: 2, ...this.#kindOf(field) };
      const keyKind = (field as ReflectedField & { keyType: ScalarKind }).keyType;
      const key = { ...shape, name: 'key', number: 1, kind: keyKind };
      return { ...shape, kind: 'message', isRepeated: true, entry: { key, value } };
    }
    if (message !== undefined && this.#proto.mapEntries.has(message.fullName)) {
      const [key, value] = [1, 2].map((id) => message.fieldsById[id]);
      if (key !== undefined && value !== undefined) {
        const entry = { key: this.#fieldOf(key), value: this.#fieldOf(value) };
        return { ...shape, kind: 'message', isRepeated: true, entry };
      }
    }
    return { ...shape, ...this.#kindOf(field) };
  }

  #kindOf({ resolvedType, type }: ReflectedField): Pick<FieldShape, 'kind' | 'message' | 'enum'> {
    if (resolvedType === null) {
      return { kind: type as ScalarKind, message: undefined, enum: undefined };
    }
    if (isType(resolvedType)) {
      return { kind: 'message', message: this.#messageOf(resolvedType), enum: undefined };
    }
    return { kind: 'enum', message: undefined, enum: enumOf(resolvedType) };
  }
}

/** The library has Google's own files with names in camelCase, which no one else sees. */
function fieldName(field: ReflectedField): string {
  const isGoogles = field.parent?.fullName.startsWith('.google.protobuf.') === true;
  if (!isGoogles) return field.name;
  return field.name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

function enumOf({ values }: ReflectedEnum): EnumShape {
  const numbers = new Map(Object.entries(values));
  const names = new Map<number, string>();
  // of two names for one number the first counts
  for (const [name, number] of numbers) if (!names.has(number)) names.set(number, name);
  return { numbers, names };
}

function isType(found: Reflected): found is ReflectedType {
  return 'fieldsArray' in found && 'oneofsArray' in found;
}

/** The library keeps it to itself, and shows only what follows from it for single fields. */
function editionOf(object: Reflected | null): string | undefined {
  for (let at = object; at !== null; at = at.parent) {
    const { _edition: edition } = at as { _edition?: string | null };
    if (typeof edition === 'string') return edition;
  }
  return undefined;
}
