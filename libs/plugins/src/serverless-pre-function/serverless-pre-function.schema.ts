import { serverlessDefinition } from './serverless-definition.ts';

export const definition = serverlessDefinition('serverless-pre-function', 10000);
