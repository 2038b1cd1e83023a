import type { PluginDefinition } from '@polygate/plugin-sdk';
import { MAX_REQ_BODY_SIZE } from '../bounded-body.schema.ts';

export interface GrpcWebConf {
  /** Bytes. */
  readonly max_req_body_size: number;
  readonly cors_allow_headers: string;
}

/** Source: apisix/plugins/grpc-web.lua. */
export const definition: PluginDefinition<GrpcWebConf> = {
  name: 'grpc-web',
  version: 0.1,
  priority: 505,
  schema: {
    type: 'object',
    properties: {
      max_req_body_size: MAX_REQ_BODY_SIZE,
      cors_allow_headers: {
        description:
          "multiple header use ',' to split. default: content-type,x-grpc-web,x-user-agent.",
        type: 'string',
        default: 'content-type,x-grpc-web,x-user-agent',
      },
    },
  },
};
