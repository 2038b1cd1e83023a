import { EXPLAIN_SCHEMA } from '../explain/read-question.ts';
import type { JsonObject } from '../json-object.ts';
import { RECORD_SCHEMA } from '../runners/read-record-request.ts';
import { operation } from './operation.ts';
import { refer } from './parameters.ts';
import { answered } from './resource-paths.ts';

const TEXT = { type: 'string' };
const COUNT = { type: 'integer', minimum: 0 };
const TIME = { type: 'integer', description: 'milliseconds since 1970' };

/** What a connected data plane answers. */
export function explainPaths(): JsonObject {
  return {
    '/polygate/explain': {
      post: operation({
        id: 'explain',
        tag: 'polygate',
        summary: 'what would become of a request: nothing is sent, viewers may ask, too',
        body: { required: true, content: { 'application/json': { schema: EXPLAIN_SCHEMA } } },
        answer: answered('route, plugins and upstream', {
          type: 'object',
          properties: { data_plane: TEXT },
          required: ['data_plane'],
        }),
        fails: [400, 404, 502, 504],
      }),
    },
  };
}

/** What the runner managers answer. */
export function runnerPaths(): JsonObject {
  const tag = 'runners';
  return {
    '/polygate/runners': {
      get: operation({
        id: 'listRunners',
        tag,
        summary: 'the plugin runners of all runner managers',
        answer: answered('runners', RUNNERS),
      }),
    },
    '/polygate/runners/{runner}': {
      parameters: refer(['runner']),
      get: operation({
        id: 'getRunner',
        tag,
        summary: 'one runner, of each manager that has it',
        answer: answered('runners of that name', RUNNERS),
        fails: [404],
      }),
    },
    '/polygate/runners/{runner}/restart': {
      parameters: refer(['runner']),
      post: operation({
        id: 'restartRunner',
        tag,
        summary: 'replace its processes by new ones, without failing a call',
        answer: answered('the new ones have the traffic', RESTARTED),
        fails: [404, 409],
      }),
    },
    '/polygate/runners/{runner}/logs': {
      parameters: refer(['runner']),
      get: operation({
        id: 'watchRunnerLog',
        tag,
        summary: 'what it wrote lately, and writes, until the client hangs up',
        answer: streamed('a line each', LOG_LINE),
        fails: [404],
      }),
    },
    '/polygate/runners/{runner}/record': {
      parameters: refer(['runner']),
      post: operation({
        id: 'recordRunnerCalls',
        tag,
        summary: 'the exact frames of the next calls, for tools/replay; ends by itself',
        body: { content: { 'application/json': { schema: RECORD_SCHEMA } } },
        answer: streamed('a call each', RECORDED_CALL),
        fails: [400, 404],
      }),
    },
  };
}

function streamed(description: string, schema: JsonObject): JsonObject {
  const content = { 'application/x-ndjson': { schema }, 'text/event-stream': { schema: TEXT } };
  return { description, content };
}

const LOG_LINE = {
  type: 'object',
  properties: {
    manager: TEXT,
    at_ms: TIME,
    index: { ...COUNT, description: 'of the instance' },
    stream: { enum: ['stdout', 'stderr'] },
    text: TEXT,
    trace_id: { ...TEXT, description: 'of a line that names one' },
    error_msg: { ...TEXT, description: 'instead of a line: the manager has gone' },
  },
};

const RECORDED_CALL = {
  type: 'object',
  properties: {
    manager: TEXT,
    runner: TEXT,
    at_ms: TIME,
    conf: {
      type: 'object',
      properties: {
        key: TEXT,
        plugins: {
          type: 'array',
          items: { type: 'object', properties: { name: TEXT, value: TEXT } },
        },
      },
    },
    failure: { ...TEXT, description: 'empty: it went well' },
    frames: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          is_sent: { type: 'boolean', description: 'true: to the runner' },
          after_us: { ...COUNT, description: 'microseconds since the call began' },
          frame: { type: 'string', contentEncoding: 'base64' },
        },
      },
    },
  },
};

const UNREACHABLE = {
  type: 'array',
  description: 'managers that did not answer',
  items: { type: 'object', properties: { manager: TEXT, error_msg: TEXT } },
};

const STATES = [
  'starting',
  'ready',
  'backing_off',
  'stopped',
  'misconfigured',
  'crash_loop',
  'draining',
];

const RUNNERS = {
  type: 'object',
  properties: {
    total: COUNT,
    list: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          manager: { ...TEXT, description: 'address of its runner manager' },
          name: TEXT,
          state: { enum: STATES, description: 'the best of its instances' },
          generation: COUNT,
          plugins: { type: 'array', items: TEXT },
          calls_in_flight: COUNT,
          calls_waiting: COUNT,
          confs_held: COUNT,
          conf_tokens: COUNT,
          instances: {
            type: 'array',
            items: {
              type: 'object',
              properties: {
                index: COUNT,
                generation: COUNT,
                state: { enum: STATES },
                pid: { ...COUNT, description: '0: not started by the manager' },
                restarts: COUNT,
                last_error: TEXT,
                calls_in_flight: COUNT,
                calls: COUNT,
                ready_since_ms: { type: ['integer', 'null'] },
              },
            },
          },
          plugin_calls: {
            type: 'array',
            description: 'by the first plugin of a conf; times are of the last minutes',
            items: {
              type: 'object',
              properties: {
                plugin: TEXT,
                calls: COUNT,
                failures: COUNT,
                p50_us: COUNT,
                p99_us: COUNT,
              },
            },
          },
          recent_restarts: {
            type: 'array',
            items: {
              type: 'object',
              properties: { at_ms: TIME, index: COUNT, generation: COUNT, reason: TEXT },
            },
          },
          last_lines: { type: 'array', items: LOG_LINE },
        },
      },
    },
    unreachable: UNREACHABLE,
  },
  required: ['total', 'list', 'unreachable'],
};

const RESTARTED = {
  type: 'object',
  properties: {
    list: {
      type: 'array',
      items: { type: 'object', properties: { manager: TEXT, generation: COUNT } },
    },
  },
  required: ['list'],
};
