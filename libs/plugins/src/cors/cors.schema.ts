import { ConfigError } from '@polygate/model';
import type { PluginDefinition } from '@polygate/plugin-sdk';
import { compilePatterns } from '../pattern-list.ts';

export interface CorsConf {
  readonly allow_origins: string;
  readonly allow_methods: string;
  readonly allow_headers: string;
  readonly expose_headers?: string;
  readonly max_age: number;
  readonly allow_credential: boolean;
  readonly allow_origins_by_regex?: readonly string[];
  readonly allow_origins_by_metadata?: readonly string[];
  readonly timing_allow_origins?: string;
  readonly timing_allow_origins_by_regex?: readonly string[];
}

const ORIGINS_PATTERN = '^(\\*|\\*\\*|null|\\w+://[^,]+(,\\w+://[^,]+)*)$';

const TEXTS = {
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 4096 },
  minItems: 1,
  uniqueItems: true,
};

const STAR =
  "you can use '*' to allow all when no credentials, '**' to allow forcefully " +
  "(it brings some security risks), multiple are split by ','. ";

/** Source: apisix/plugins/cors.lua. */
export const definition: PluginDefinition<CorsConf> = {
  name: 'cors',
  version: 0.1,
  priority: 4000,
  schema: {
    type: 'object',
    properties: {
      allow_origins: {
        description: `${STAR}default: *.`,
        type: 'string',
        pattern: ORIGINS_PATTERN,
        default: '*',
      },
      allow_methods: { description: `${STAR}default: *.`, type: 'string', default: '*' },
      allow_headers: { description: `${STAR}default: *.`, type: 'string', default: '*' },
      expose_headers: {
        description:
          "multiple headers are split by ','. If not specified, no custom headers are exposed.",
        type: 'string',
      },
      max_age: {
        description:
          'maximum number of seconds the results can be cached. -1 means no cache. default: 5.',
        type: 'integer',
        default: 5,
      },
      allow_credential: {
        description: "if this is true, you can not use '*' for other options.",
        type: 'boolean',
        default: false,
      },
      allow_origins_by_regex: { ...TEXTS, description: 'patterns of allowed origins' },
      allow_origins_by_metadata: {
        ...TEXTS,
        description: 'names of allowed origins in the plugin metadata',
      },
      timing_allow_origins: {
        description: `${STAR}default: nil`,
        type: 'string',
        pattern: ORIGINS_PATTERN,
      },
      timing_allow_origins_by_regex: {
        ...TEXTS,
        description: 'patterns of origins that may see timing information',
      },
    },
  },
  metadataSchema: {
    type: 'object',
    properties: {
      allow_origins: {
        type: 'object',
        additionalProperties: { type: 'string', pattern: ORIGINS_PATTERN },
      },
    },
  },
  check(conf) {
    if (conf.allow_credential && hasStar(conf)) {
      throw new ConfigError("you can not set '*' for other option when 'allow_credential' is true");
    }
    compilePatterns(conf.allow_origins_by_regex ?? []);
    compilePatterns(conf.timing_allow_origins_by_regex ?? []);
  },
};

function hasStar(conf: CorsConf): boolean {
  return [
    conf.allow_origins,
    conf.allow_methods,
    conf.allow_headers,
    conf.expose_headers,
    conf.timing_allow_origins,
  ].includes('*');
}
