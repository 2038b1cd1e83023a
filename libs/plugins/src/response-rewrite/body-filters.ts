import { isUtf8 } from 'node:buffer';
import { compilePattern, ConfigError } from '@polygate/model';
import type { Logger } from '@polygate/plugin-sdk';

export interface FilterConf {
  readonly regex: string;
  readonly scope: 'once' | 'global';
  readonly replace: string;
  /** Flags of ngx.re. */
  readonly options: string;
}

export type BodyEncoding = 'utf8' | 'latin1';
export interface BodyFilter {
  readonly regex: string;
  /** Throws for a body that is too long for the pattern. */
  apply(body: string, encoding: BodyEncoding): string;
}

// j and o are about compiling and caching in OpenResty, u about UTF-8, which is how a body is read
const FLAGS_WITHOUT_EFFECT = 'jou';

/** Throws a ConfigError that names the pattern. */
export function compileFilter({ regex, scope, replace, options }: FilterConf): BodyFilter {
  const refuse = (reason: string, cause?: unknown) =>
    new ConfigError(`regex "${regex}" validation failed: ${reason}`, { cause });
  for (const flag of options) {
    if (flag !== 'i' && !FLAGS_WITHOUT_EFFECT.includes(flag)) {
      throw refuse(`unknown flag "${flag}" (flags "${options}")`);
    }
  }
  const compiled = compile(regex, options.includes('i'), refuse);
  // a body that is no UTF-8 is read byte by byte, so the replacement must be bytes as well
  const replaceBytes = Buffer.from(replace).toString('latin1');
  return {
    regex,
    apply(body, encoding) {
      const replacement = encoding === 'utf8' ? replace : replaceBytes;
      const rewrite = (text: string): string =>
        scope === 'once'
          ? compiled.replaceFirst(text, replacement)
          : compiled.replaceAll(text, replacement);
      // to PCRE the end of a text is before its last newline as well
      const isBeforeNewline = regex.includes('$') && body.endsWith('\n') && !compiled.test(body);
      return isBeforeNewline ? `${rewrite(body.slice(0, -1))}\n` : rewrite(body);
    },
  };
}

/** A filter that fails changes nothing; the log says so. */
export function applyFilters(body: Buffer, filters: readonly BodyFilter[], log: Logger): Buffer {
  const encoding = isUtf8(body) ? 'utf8' : 'latin1';
  let text = body.toString(encoding);
  for (const filter of filters) {
    try {
      text = filter.apply(text, encoding);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      log.error(`regex "${filter.regex}" substitutes failed:${reason}`);
    }
  }
  return Buffer.from(text, encoding);
}

function compile(
  regex: string,
  caseInsensitive: boolean,
  refuse: (reason: string, cause: unknown) => ConfigError,
): ReturnType<typeof compilePattern> {
  try {
    return compilePattern(regex, { caseInsensitive });
  } catch (cause) {
    throw refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
}
