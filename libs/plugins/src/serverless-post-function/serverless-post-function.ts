import { serverlessPlugin } from '../serverless-pre-function/serverless-function.ts';
import { definition } from './serverless-post-function.schema.ts';

/** Functions that run after nearly all other plugins. */
export default serverlessPlugin(definition);
