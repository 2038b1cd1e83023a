/**
 * Parses JSON as cjson does, which APISIX uses: line breaks and other control characters may stand in
 * a text as they are. Shell scripts and documents with code in a value rely on it. Throws SyntaxError.
 */
export function parseLenientJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const escaped = escapeControlCharacters(text);
    if (escaped === text) throw error;
    return JSON.parse(escaped);
  }
}

/** Inside texts only: elsewhere they are white space, or an error. */
function escapeControlCharacters(text: string): string {
  let escaped = '';
  let copiedTo = 0;
  let inText = false;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) inText = !inText;
    else if (code === BACKSLASH) i++;
    else if (code < SPACE && inText) {
      escaped += `${text.slice(copiedTo, i)}\\u${code.toString(16).padStart(4, '0')}`;
      copiedTo = i + 1;
    }
  }
  return escaped + text.slice(copiedTo);
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
