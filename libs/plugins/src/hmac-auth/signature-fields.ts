/** What the Authorization header says. */
export interface SignatureFields {
  readonly keyId: string | undefined;
  readonly algorithm: string | undefined;
  readonly signature: string | undefined;
  /** Names of what is signed, in order. */
  readonly headers: readonly string[] | undefined;
}

const SCHEME = 'Signature';
const FIELD = /([A-Za-z0-9]+)="([^"]*)"/;

/**
 * Reads `Signature keyId="…",algorithm="…",headers="@request-target date",signature="…"`. A comma always
 * ends a field; of two fields of one name the later counts. A text says why it cannot be read.
 */
export function parseSignatureFields(authorization: string | undefined): SignatureFields | string {
  if (authorization === undefined) return 'missing Authorization header';
  if (!authorization.startsWith(SCHEME)) {
    return "Authorization header does not start with 'Signature'";
  }
  const fields = new Map<string, string>();
  for (const part of authorization.slice(SCHEME.length).split(',')) {
    const [, name, value] = FIELD.exec(part) ?? [];
    if (name !== undefined && value !== undefined) fields.set(name, value);
  }
  return {
    keyId: fields.get('keyId'),
    algorithm: fields.get('algorithm'),
    signature: fields.get('signature'),
    headers: fields.get('headers')?.split(' '),
  };
}
