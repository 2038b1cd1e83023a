import { readableText } from '@polygate/plugin-sdk';
import type { HeaderList, QueryArgument } from '@polygate/plugin-sdk';

// JSON written straight into a text: building objects first would double what a log entry costs.

/** As ngx.req.get_headers() and ngx.req.get_uri_args(): what comes after is left out. */
const FIELDS_MAX = 100;

/** One class: an alternative to it would take half as much time again. */
const NOT_PLAIN = /[^ !#-[\]-~]/;

/** A JSON string. Wire text (one character a byte) comes out as the text its bytes are. */
export function jsonText(value: string): string {
  return NOT_PLAIN.test(value) ? JSON.stringify(readableText(value)) : `"${value}"`;
}

/** Whether a text stands in JSON as it is, but for the quotes around it. */
export function isPlain(value: string): boolean {
  return !NOT_PLAIN.test(value);
}

/** Names in lower case; a name that comes again makes a list of its values. */
export function jsonHeaders(headers: HeaderList): string {
  const size = Math.min(headers.size, FIELDS_MAX);
  let json = '';
  for (let i = 0; i < size; i++) {
    const name = headers.lowerNameAt(i);
    if (firstIndex(headers, name) < i) continue;
    json += `${json === '' ? '{' : ','}${jsonText(name)}:${jsonHeader(headers, name, i, size)}`;
  }
  return json === '' ? '{}' : `${json}}`;
}

function jsonHeader(headers: HeaderList, name: string, index: number, size: number): string {
  const value = jsonText(headers.valueAt(index));
  let more = '';
  for (let i = index + 1; i < size; i++) {
    if (headers.lowerNameAt(i) === name) more += `,${jsonText(headers.valueAt(i))}`;
  }
  return more === '' ? value : `[${value}${more}]`;
}

function firstIndex(headers: HeaderList, name: string): number {
  let index = 0;
  while (headers.lowerNameAt(index) !== name) index++;
  return index;
}

/** An argument without a value is `true`; one that comes again makes a list. */
export function jsonArguments(args: readonly QueryArgument[]): string {
  const count = Math.min(args.length, FIELDS_MAX);
  let json = '';
  for (let i = 0; i < count; i++) {
    const { name } = args[i] as QueryArgument;
    if (args.findIndex((argument) => argument.name === name) < i) continue;
    json += `${json === '' ? '{' : ','}${jsonText(name)}:${jsonArgument(args, name, i, count)}`;
  }
  return json === '' ? '{}' : `${json}}`;
}

function jsonArgument(
  args: readonly QueryArgument[],
  name: string,
  index: number,
  count: number,
): string {
  const value = argumentValue(args[index] as QueryArgument);
  let more = '';
  for (let i = index + 1; i < count; i++) {
    const argument = args[i] as QueryArgument;
    if (argument.name === name) more += `,${argumentValue(argument)}`;
  }
  return more === '' ? value : `[${value}${more}]`;
}

function argumentValue({ value }: QueryArgument): string {
  return value === undefined ? 'true' : jsonText(value);
}
