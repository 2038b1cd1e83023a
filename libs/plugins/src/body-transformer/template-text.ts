import type { TransformConf } from './body-transformer.schema.ts';
import { compileTemplate, type Template } from './lua/compile-template.ts';
import { LuaSyntaxError, UnsupportedLuaError } from './lua/lua-tokens.ts';

/** How a template reads, as it stands or out of Base64; a text: what is wrong with it. */
export interface TemplateText {
  readonly plain: Template | string;
  readonly decoded: Template | string;
}

/** Without a word, Base64 is taken out of a template that could be some, but for forms. */
export function chooseTemplate(
  { plain, decoded }: TemplateText,
  { template_is_base64: isBase64 }: TransformConf,
  format: string | undefined,
): Template | string {
  const isForm = format === undefined || format === 'encoded' || format === 'args';
  return isBase64 === true || !isForm ? decoded : plain;
}

export function readTemplate({ template }: TransformConf): TemplateText {
  const plain = compiled(template);
  const text = decodeBase64(template);
  return { plain, decoded: text === undefined ? plain : compiled(text) };
}

/** What keeps a template from ever being run here; what is no Lua shows at a request, as in APISIX. */
export function checkTemplate({ template }: TransformConf): string | undefined {
  const texts = [template, decodeBase64(template)];
  return texts.map((text) => (text === undefined ? undefined : unsupported(text))).find(Boolean);
}

function unsupported(text: string): string | undefined {
  try {
    compileTemplate(text);
    return undefined;
  } catch (error) {
    if (error instanceof LuaSyntaxError) return undefined;
    if (!(error instanceof UnsupportedLuaError)) throw error;
    return (
      `Polygate runs a part of Lua in templates, without ${error.message}; ` +
      'use a serverless function in JavaScript or a TypeScript plugin instead'
    );
  }
}

function compiled(text: string): Template | string {
  try {
    return compileTemplate(text);
  } catch (error) {
    if (error instanceof LuaSyntaxError || error instanceof UnsupportedLuaError)
      return error.message;
    throw error;
  }
}

/** ngx.decode_base64: undefined for what is none. */
function decodeBase64(text: string): string | undefined {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) {
    return undefined;
  }
  return Buffer.from(text, 'base64').toString();
}
