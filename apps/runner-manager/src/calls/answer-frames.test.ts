import { RunnerConnectResponse, type Entry, type ManagerFrame } from '@polygate/rpc';
import { expect, test } from 'vitest';
import { encodeAnswer } from './answer-frames.ts';

const headers: Entry[] = [
  { name: 'X-A', value: 'ä'.repeat(100) },
  { name: '', value: '' },
  { name: 'X-Gone', value: undefined },
];
const body = (length: number): Buffer => Buffer.alloc(length, 'b');
const rewrite = { path: undefined, headers: [], args: [], responseHeaders: [], body: body(0) };

const FRAMES: Record<string, NonNullable<ManagerFrame['frame']>> = {
  continue: { $case: 'requestResult', value: { action: { $case: 'continue', value: {} } } },
  'no action': { $case: 'requestResult', value: { action: undefined } },
  'an empty stop': {
    $case: 'requestResult',
    value: { action: { $case: 'stop', value: { status: 0, headers: [], body: body(0) } } },
  },
  stop: {
    $case: 'requestResult',
    value: { action: { $case: 'stop', value: { status: 403, headers, body: body(70) } } },
  },
  'a stop with a large body': {
    $case: 'requestResult',
    value: { action: { $case: 'stop', value: { status: 200, headers, body: body(1 << 20) } } },
  },
  'an empty rewrite': {
    $case: 'requestResult',
    value: { action: { $case: 'rewrite', value: rewrite } },
  },
  rewrite: {
    $case: 'requestResult',
    value: {
      action: {
        $case: 'rewrite',
        value: { path: '/a', headers, args: headers, responseHeaders: headers, body: body(9) },
      },
    },
  },
  'a rewrite to the empty path': {
    $case: 'requestResult',
    value: { action: { $case: 'rewrite', value: { ...rewrite, path: '' } } },
  },
  'a response': { $case: 'responseResult', value: { status: 201, headers, body: body(300) } },
  'a question': {
    $case: 'extraInfoQuestion',
    value: { info: { $case: 'variable', value: { name: 'host' } } },
  },
  'a failure': { $case: 'callFailure', value: { reason: 2, message: 'closed' } },
};

test.each(Object.entries(FRAMES))('%s is read as it was meant', (_name, frame) => {
  const answers = [0, 1, 0xffff_ffff].map((callId) => ({ callId, frame }));
  const message = Buffer.concat(answers.map(encodeAnswer));
  expect(RunnerConnectResponse.decode(message)).toEqual({ frames: answers });
});
