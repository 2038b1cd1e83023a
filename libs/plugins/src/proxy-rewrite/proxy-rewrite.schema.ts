import { compilePattern, ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { isHeaderChanges, type HeadersToSet } from '../header-changes.ts';
import { isHeaderField, isHeaderValue } from './header-field.ts';

export type HeaderText = string | number;
export type HeaderTexts = Readonly<Record<string, HeaderText | readonly HeaderText[]>>;

export interface HeaderChanges {
  readonly add?: HeaderTexts;
  readonly set?: HeaderTexts;
  readonly remove?: readonly string[];
}

export interface ProxyRewriteConf {
  readonly uri?: string;
  readonly method?: string;
  readonly regex_uri?: readonly string[];
  readonly host?: string;
  /** The old form is what `set` is in the new one. */
  readonly headers?: HeaderChanges | HeadersToSet;
  readonly use_real_request_uri_unsafe: boolean;
}

const TEXT = { oneOf: [{ type: 'string' }, { type: 'number' }] };
const TEXTS = {
  type: 'object',
  minProperties: 1,
  patternProperties: {
    '^[^:]+$': { oneOf: [...TEXT.oneOf, { type: 'array', minItems: 1, items: TEXT }] },
  },
};

/** Source: apisix/plugins/proxy-rewrite.lua. */
export const definition: PluginDefinition<ProxyRewriteConf> = {
  name: 'proxy-rewrite',
  version: 0.1,
  priority: 1008,
  schema: {
    type: 'object',
    properties: {
      uri: {
        description: 'new uri for upstream',
        type: 'string',
        minLength: 1,
        maxLength: 4096,
        pattern: '^\\/.*',
      },
      method: {
        description: 'proxy route method',
        type: 'string',
        enum: [
          ...['GET', 'POST', 'PUT', 'HEAD', 'DELETE', 'OPTIONS', 'MKCOL', 'COPY', 'MOVE'],
          ...['PROPFIND', 'LOCK', 'UNLOCK', 'PATCH', 'TRACE'],
        ],
      },
      regex_uri: {
        description:
          'new uri that substitute from client uri for upstream, lower priority than uri property',
        type: 'array',
        minItems: 2,
        items: { description: 'regex uri', type: 'string' },
      },
      host: {
        description: 'new host for upstream',
        type: 'string',
        pattern: '^[0-9a-zA-Z-.]+(:\\d{1,5})?$',
      },
      headers: {
        description: 'new headers for request',
        oneOf: [
          {
            type: 'object',
            minProperties: 1,
            additionalProperties: false,
            properties: {
              add: TEXTS,
              set: TEXTS,
              remove: {
                type: 'array',
                minItems: 1,
                items: { type: 'string', pattern: '^[^:]+$' },
              },
            },
          },
          { type: 'object', minProperties: 1, patternProperties: { '^[^:]+$': TEXT } },
        ],
      },
      use_real_request_uri_unsafe: {
        description: 'use real_request_uri instead, THIS IS VERY UNSAFE.',
        type: 'boolean',
        default: false,
      },
    },
    minProperties: 1,
  },
  check(conf) {
    checkPatterns(conf.regex_uri ?? []);
    if (conf.headers !== undefined && !isHeaderChanges(conf.headers)) checkSet(conf.headers);
  },
};

function checkPatterns(pairs: readonly string[]): void {
  if (pairs.length % 2 !== 0) {
    throw new ConfigError('The length of regex_uri should be an even number');
  }
  for (let i = 0; i + 1 < pairs.length; i += 2) {
    const [pattern = '', replacement = ''] = pairs.slice(i, i + 2);
    try {
      checkReplacement(replacement);
      compilePattern(pattern).replaceFirst('/fake_uri', replacement);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `invalid regex_uri(${pattern}, ${replacement}): ${reason}`;
      throw new ConfigError(message, { cause });
    }
  }
}

/** A dollar sign stands before a number or another dollar sign. The words are those of ngx.re. */
function checkReplacement(replacement: string): void {
  for (const [, name = ''] of replacement.matchAll(/\$(\$|\w+|\{\w+\}|)/g)) {
    if (name === '') {
      throw new ConfigError(`invalid capturing variable name found in "${replacement}"`);
    }
    if (!/^(?:\$|\{?\d+\}?$|\d)/.test(name)) {
      const reason = 'named captures not supported yet';
      throw new ConfigError(`attempt to use named capturing variable "${name}" (${reason})`);
    }
  }
}

function checkSet(headers: HeadersToSet): void {
  for (const [field, value] of Object.entries(headers)) {
    if (typeof value !== 'string' && typeof value !== 'number') {
      throw new ConfigError('invalid type as header value');
    }
    if (field === '') throw new ConfigError('invalid field length in header');
    if (!isHeaderField(field)) throw new ConfigError('invalid field character in header');
    if (!isHeaderValue(value)) throw new ConfigError('invalid value character in header');
  }
}
