import { definePlugin } from '@polygate/plugin-sdk';
import { definition } from './server-info.schema.ts';

/** Has no part in requests: `/v1/server_info` of the control API is there with and without it. */
export default definePlugin(definition, {});
