export interface BodyPart {
  readonly name: string;
  readonly contentType: string | undefined;
  readonly body: string;
}

const CRLF = '\r\n';

/** The parts of `multipart/form-data` that have a name. */
export function parseBodyParts(text: string, boundary: string): readonly BodyPart[] {
  const delimiter = `--${boundary}`;
  const parts: BodyPart[] = [];
  // before the first delimiter and behind the last one stands nothing that counts
  for (const piece of text.split(delimiter).slice(1, -1)) {
    if (piece.startsWith('--')) break;
    const begin = piece.startsWith(CRLF) ? CRLF.length : 0;
    const part = piece.slice(begin, piece.endsWith(CRLF) ? -CRLF.length : undefined);
    const headersEnd = part.indexOf(CRLF + CRLF);
    const headers = part.slice(0, Math.max(0, headersEnd));
    const name = /name="([^"]+)"/.exec(headers)?.[1];
    if (name === undefined) continue;
    const contentType = /content-type:\s*([^\r\n]+)/i.exec(headers)?.[1];
    parts.push({ name, contentType, body: part.slice(headersEnd + 2 * CRLF.length) });
  }
  return parts;
}
