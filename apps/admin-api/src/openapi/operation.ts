import type { JsonObject } from '../json-object.ts';
import { failuresOf } from './failures.ts';
import { type ParameterName, refer } from './parameters.ts';

export interface Operation {
  readonly id: string;
  readonly tag: string;
  readonly summary: string;
  readonly parameters?: readonly ParameterName[];
  readonly body?: JsonObject;
  readonly answer: JsonObject;
  readonly status?: 200 | 202;
  readonly fails?: readonly number[];
}

/** One operation, with the failures that any may have. */
export function operation({ id, tag, summary, parameters = [], ...rest }: Operation): JsonObject {
  const { body, answer, status = 200, fails = [] } = rest;
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(parameters.length > 0 && { parameters: refer(parameters) }),
    ...(body !== undefined && { requestBody: body }),
    responses: { [status]: answer, ...failuresOf(fails) },
  };
}
