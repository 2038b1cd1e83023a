import { compilePattern, ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface RedirectConf {
  readonly ret_code: number;
  readonly uri?: string;
  readonly regex_uri?: readonly string[];
  readonly http_to_https?: boolean;
  readonly encode_uri: boolean;
  readonly append_query_string: boolean;
}

/** Source: apisix/plugins/redirect.lua. */
export const definition: PluginDefinition<RedirectConf> = {
  name: 'redirect',
  version: 0.1,
  priority: 900,
  schema: {
    type: 'object',
    properties: {
      ret_code: { type: 'integer', minimum: 200, default: 302 },
      uri: {
        type: 'string',
        minLength: 2,
        pattern:
          '(\\\\\\$[0-9a-zA-Z_]+)|\\$\\{([0-9a-zA-Z_]+)\\}|\\$([0-9a-zA-Z_]+)|(\\$|[^$\\\\]+)',
      },
      regex_uri: {
        description:
          'params for generating new uri that substitute from client uri, ' +
          'first param is regular expression, the second one is uri template',
        type: 'array',
        maxItems: 2,
        minItems: 2,
        items: { description: 'regex uri', type: 'string' },
      },
      http_to_https: { type: 'boolean' },
      encode_uri: { type: 'boolean', default: false },
      append_query_string: { type: 'boolean', default: false },
    },
    oneOf: [{ required: ['uri'] }, { required: ['regex_uri'] }, { required: ['http_to_https'] }],
  },
  check(conf) {
    const [pattern, replacement = ''] = conf.regex_uri ?? [];
    if (pattern !== undefined) checkSubstitution(pattern, replacement);
    if (conf.http_to_https === true && conf.append_query_string) {
      throw new ConfigError(
        'only one of `http_to_https` and `append_query_string` can be configured.',
      );
    }
  },
};

function checkSubstitution(pattern: string, replacement: string): void {
  try {
    compilePattern(pattern).replaceFirst('/fake_uri', replacement);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ConfigError(`invalid regex_uri (${pattern}, ${replacement}), err:${reason}`, {
      cause,
    });
  }
}
