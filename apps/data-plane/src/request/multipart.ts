const PARTS_MAX = 1000;

/**
 * The parts of a `multipart/form-data` body by name, as text; of several with one name the last.
 * Undefined where Content-Type names no boundary. Takes what it understands (RFC 7578): a part
 * without a name is left out.
 */
export function parseMultipart(
  body: Buffer,
  contentType: string,
): ReadonlyMap<string, string> | undefined {
  const named = /;\s*boundary=(?:"([^"]{1,256})"|([^\s;"]{1,256}))/i.exec(contentType);
  const boundary = named?.[1] ?? named?.[2];
  if (boundary === undefined) return undefined;
  const delimiter = Buffer.from(`--${boundary}`);
  const parts = new Map<string, string>();
  let start = body.indexOf(delimiter);
  for (let count = 0; start !== -1 && count < PARTS_MAX; count++) {
    const from = start + delimiter.length;
    const end = body.indexOf(delimiter, from);
    if (end === -1) break;
    readPart(body.subarray(from, end), parts);
    start = end;
  }
  return parts;
}

function readPart(part: Buffer, parts: Map<string, string>): void {
  const head = headOf(part);
  if (head === undefined) return;
  const name = /^content-disposition:[^\r\n]*;\s*name=(?:"([^"]*)"|([^\s;]+))/im.exec(head.text);
  const text = name?.[1] ?? name?.[2];
  if (text === undefined) return;
  const end = part.at(-2) === CR ? part.length - 2 : part.length - 1;
  parts.set(text, part.subarray(head.end, Math.max(end, head.end)).toString());
}

/** Lines may end without a carriage return, as in the library that APISIX uses. */
function headOf(part: Buffer): { readonly text: string; readonly end: number } | undefined {
  const blank = /\r?\n\r?\n/.exec(part.toString('latin1', 0, HEAD_BYTES_MAX));
  if (blank === null) return undefined;
  return { text: part.toString('utf8', 0, blank.index), end: blank.index + blank[0].length };
}

const CR = 13;
const HEAD_BYTES_MAX = 8192;
