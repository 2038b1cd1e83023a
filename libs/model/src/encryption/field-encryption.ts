import { isJsonObject, type JsonObject } from '../json-value.ts';
import type { JsonSchemaObject } from '../schema/validator.ts';
import { decryptText, encryptText, type Keyring } from './text-encryption.ts';

/**
 * Encrypts, in place, what the schema names in `encrypt_fields`: dotted paths, through objects and
 * the elements of lists; at the end a text, a list of texts or a map of texts. What has another
 * shape stays. Source: process_encrypt_field of apisix/plugin.lua.
 */
export function encryptFields(schema: JsonSchemaObject, conf: JsonObject, keyring: Keyring): void {
  eachField(schema, conf, (text) => encryptText(text, keyring));
}

/**
 * Decrypts, in place, what encryptFields encrypts. Gives the paths of fields that no key fits: they
 * stay as they are, since a field that came to `encrypt_fields` later is stored in clear.
 */
export function decryptFields(
  schema: JsonSchemaObject,
  conf: JsonObject,
  keyring: Keyring,
): readonly string[] {
  const failed: string[] = [];
  eachField(schema, conf, (text, path) => {
    const clear = decryptText(text, keyring);
    if (clear === undefined) failed.push(path);
    return clear ?? text;
  });
  return failed;
}

type Replace = (text: string, path: string) => string;

function eachField(schema: JsonSchemaObject, conf: JsonObject, replace: Replace): void {
  const paths = schema['encrypt_fields'];
  if (!Array.isArray(paths)) return;
  for (const path of paths as readonly string[]) {
    replaceAt(conf, path.split('.'), (text) => replace(text, path));
  }
}

function replaceAt(at: JsonObject, path: readonly string[], replace: (text: string) => string) {
  const [name, ...rest] = path;
  if (name === undefined || !Object.hasOwn(at, name)) return;
  const value = at[name];
  if (rest.length === 0) {
    if (typeof value === 'string') at[name] = replace(value);
    else replaceTexts(value, replace);
  } else if (Array.isArray(value)) {
    for (const element of value) if (isJsonObject(element)) replaceAt(element, rest, replace);
  } else if (isJsonObject(value)) {
    replaceAt(value, rest, replace);
  }
}

/** The texts directly in a list or a map. */
function replaceTexts(value: unknown, replace: (text: string) => string): void {
  if (typeof value !== 'object' || value === null) return;
  const holder = value as JsonObject;
  for (const [name, member] of Object.entries(holder)) {
    if (typeof member === 'string') holder[name] = replace(member);
  }
}
