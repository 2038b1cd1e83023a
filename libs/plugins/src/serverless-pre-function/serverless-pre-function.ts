import { serverlessPlugin } from './serverless-function.ts';
import { definition } from './serverless-pre-function.schema.ts';

/** Functions that run before nearly all other plugins. */
export default serverlessPlugin(definition);
