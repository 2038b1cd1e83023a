import { luaNumber } from '@polygate/model';
import type { ExampleSchema } from './mocking.schema.ts';

type Example = string | number | boolean | readonly Example[] | ExampleObject;
export interface ExampleObject {
  readonly [name: string]: Example;
}

/** Schemas come out of the configuration; how much they may make is bounded, since lists multiply. */
const DEPTH_MAX = 32;
const ITEMS_MAX = 3;
const VALUES_MAX = 10_000;
const NUMBER_MAX = 10_000;
const LETTERS_MAX = 10;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';

/** Counts what was made. */
interface Budget {
  left: number;
}

/**
 * A value for every property: its `example`, or else one by chance. What has no type that is known is
 * left out. Source: gen_object of apisix/plugins/mocking.lua.
 */
export function exampleObject(schema: ExampleSchema): ExampleObject {
  return makeObject(schema, 0, { left: VALUES_MAX });
}

function makeObject({ properties }: ExampleSchema, depth: number, budget: Budget): ExampleObject {
  // without prototype: a property may be called __proto__
  const made = Object.create(null) as Record<string, Example>;
  for (const [name, schema] of Object.entries(properties ?? {})) {
    const value = makeValue(schema, depth + 1, budget);
    if (value !== undefined) made[name] = value;
  }
  return made;
}

function makeValue(schema: ExampleSchema, depth: number, budget: Budget): Example | undefined {
  if (depth > DEPTH_MAX || budget.left <= 0) return undefined;
  budget.left -= 1;
  const { example } = schema;
  switch (typeof schema.type === 'string' ? schema.type.toLowerCase() : undefined) {
    case 'object':
      return makeObject(schema, depth, budget);
    case 'array':
      return makeArray(schema, depth, budget);
    case 'string':
      return typeof example === 'string' ? example : randomText();
    case 'number':
      return typeof example === 'number' ? example : Math.random() * NUMBER_MAX;
    case 'integer':
      return typeof example === 'number' ? Math.floor(example) : randomInteger(NUMBER_MAX);
    case 'boolean':
      // a false example counts for none in APISIX
      return example === true ? true : Math.random() < 0.5;
    default:
      return undefined;
  }
}

function makeArray({ items }: ExampleSchema, depth: number, budget: Budget): Example | undefined {
  if (items === undefined) return undefined;
  const made: Example[] = [];
  for (let count = randomInteger(ITEMS_MAX); count > 0; count--) {
    const value = makeValue(items, depth + 1, budget);
    if (value !== undefined) made.push(value);
  }
  return made;
}

/** 1 to `max`. */
function randomInteger(max: number): number {
  return Math.floor(Math.random() * max) + 1;
}

function randomText(): string {
  let text = '';
  for (let count = randomInteger(LETTERS_MAX); count > 0; count--) {
    text += LETTERS.charAt(randomInteger(LETTERS.length) - 1);
  }
  return text;
}

/** The elements that lie in `name`; a list repeats its element. */
export function toXml(value: Example, name: string): string {
  if (isList(value)) return value.map((item) => toXml(item, name)).join('\n');
  if (typeof value !== 'object') return `<${name}>${escapeXml(textOf(value))}</${name}>`;
  const inner = Object.entries(value).map(([key, member]) => `${toXml(member, key)}\n`);
  return `<${name}>\n${inner.join('')}</${name}>`;
}

function isList(value: Example): value is readonly Example[] {
  return Array.isArray(value);
}

function textOf(value: string | number | boolean): string {
  return typeof value === 'number' ? luaNumber(value) : String(value);
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };

function escapeXml(text: string): string {
  return text.replace(/[&<>]/g, (character) => ESCAPES[character] ?? character);
}
