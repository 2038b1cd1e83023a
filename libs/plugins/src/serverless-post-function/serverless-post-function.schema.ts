import { serverlessDefinition } from '../serverless-pre-function/serverless-definition.ts';

export const definition = serverlessDefinition('serverless-post-function', -2000);
