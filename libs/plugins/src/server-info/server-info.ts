import { definePlugin } from '@polygate/plugin-sdk';
import { definition } from './server-info.schema.ts';

/** Has no part in requests: what it tells is control-api/server-info.ts of the data plane. */
export default definePlugin(definition, { publicApis: () => [] });
