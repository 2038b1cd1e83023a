import { definePlugin } from '@polygate/plugin-sdk';
import { definition } from './log-rotate.schema.ts';

/** Has no part in requests: what it does is access-log/log-rotation.ts of the data plane. */
export default definePlugin(definition, { publicApis: () => [] });
