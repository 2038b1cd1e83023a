/** A JSON Schema as plain data, best written as a literal: its type is the type of the conf. */
export type JsonSchema = Readonly<Record<string, unknown>>;

/**
 * The type of what passes a schema, for the keywords that decide on a type: `type`, `properties`,
 * `required`, `default`, `items`, `additionalProperties`, `enum`, `const`, `oneOf`, `anyOf`. What
 * is written otherwise is `unknown`: never wrong, only vague.
 */
export type ConfOf<Schema> = Schema extends { readonly const: infer Value }
  ? Value
  : Schema extends { readonly enum: readonly (infer Value)[] }
    ? Value
    : Schema extends { readonly oneOf: readonly (infer One)[] }
      ? ConfOf<One>
      : Schema extends { readonly anyOf: readonly (infer One)[] }
        ? ConfOf<One>
        : Schema extends { readonly type: infer Name }
          ? OfType<Name, Schema>
          : unknown;

type OfType<Name, Schema> = Name extends 'string'
  ? string
  : Name extends 'number' | 'integer'
    ? number
    : Name extends 'boolean'
      ? boolean
      : Name extends 'null'
        ? null
        : Name extends 'array'
          ? ArrayOf<Schema>
          : Name extends 'object'
            ? ObjectOf<Schema>
            : unknown;

type ArrayOf<Schema> = Schema extends { readonly items: infer Item }
  ? readonly ConfOf<Item>[]
  : readonly unknown[];

type ObjectOf<Schema> = Schema extends { readonly properties: infer Properties }
  ? {
      readonly [Key in Present<Properties, Schema>]: ConfOf<Properties[Key]>;
    } & {
      readonly [Key in Exclude<keyof Properties, Present<Properties, Schema>>]?: ConfOf<
        Properties[Key]
      >;
    }
  : Schema extends { readonly additionalProperties: infer Values extends JsonSchema }
    ? Readonly<Record<string, ConfOf<Values>>>
    : Readonly<Record<string, unknown>>;

/** Required, or filled in. */
type Present<Properties, Schema> = {
  [Key in keyof Properties]: Properties[Key] extends { readonly default: unknown }
    ? Key
    : Schema extends { readonly required: readonly (infer Name)[] }
      ? Key extends Name
        ? Key
        : never
      : never;
}[keyof Properties];
