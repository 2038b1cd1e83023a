import { ConfigError, type PluginDefinition } from '@polygate/plugin-sdk';

export interface ProxyMirrorConf {
  /** Scheme, name or address, and port. */
  readonly host: string;
  readonly path?: string;
  readonly path_concat_mode: 'replace' | 'prefix';
  /** Of the requests, up to 1. */
  readonly sample_ratio: number;
}

/** Source: apisix/plugins/proxy-mirror.lua. */
export const definition: PluginDefinition<ProxyMirrorConf> = {
  name: 'proxy-mirror',
  version: 0.1,
  priority: 1010,
  schema: {
    type: 'object',
    properties: {
      host: {
        type: 'string',
        pattern: '^(http(s)?|grpc(s)?):\\/\\/([\\da-zA-Z.-]+|\\[[\\da-fA-F:]+\\])(:\\d+)?$',
      },
      path: { type: 'string', pattern: '^/[^?&]+$' },
      path_concat_mode: {
        type: 'string',
        default: 'replace',
        enum: ['replace', 'prefix'],
        description: 'the concatenation mode for custom path',
      },
      sample_ratio: { type: 'number', minimum: 0.00001, maximum: 1, default: 1 },
    },
    required: ['host'],
  },
  /** The pattern is APISIX's: it takes `http://[:1:]` and `http://a:99999`, which lead nowhere. */
  check({ host }) {
    if (!URL.canParse(httpUrlOf(host))) {
      throw new ConfigError(`property "host" validation failed: ${host} is no address`);
    }
  },
};

/** No URL is of grpc, but their hosts are alike. */
export function httpUrlOf(host: string): string {
  return host.replace(/^grpc/, 'http');
}
