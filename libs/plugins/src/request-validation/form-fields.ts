export type FormFields = Record<string, string | true | (string | true)[]>;

/**
 * Reads `application/x-www-form-urlencoded` as ngx.decode_args does: true for a name without `=`, a
 * list for a name that comes again; what has no name is left out.
 */
export function parseForm(text: string): FormFields {
  // without prototype: a client may call a field __proto__
  const fields = Object.create(null) as FormFields;
  for (const pair of text.split('&')) {
    const equals = pair.indexOf('=');
    const name = decodeFormText(equals === -1 ? pair : pair.slice(0, equals));
    if (name === '') continue;
    const value = equals === -1 ? true : decodeFormText(pair.slice(equals + 1));
    const before = fields[name];
    if (before === undefined) fields[name] = value;
    else if (Array.isArray(before)) before.push(value);
    else fields[name] = [before, value];
  }
  return fields;
}

/** A name or a value; what cannot be decoded is kept. */
export function decodeFormText(text: string): string {
  const spaced = text.replaceAll('+', ' ');
  if (!spaced.includes('%')) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch (error) {
    if (error instanceof URIError) return spaced;
    throw error;
  }
}
