import { definePlugin } from '@polygate/plugin-sdk';
import { definition } from './server-info.schema.ts';

/** Has no part in requests: what it told is at `/v1/server_info` of the control API, on or off. */
export default definePlugin(definition, { publicApis: () => [] });
