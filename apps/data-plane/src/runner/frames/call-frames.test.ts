import { HeaderList } from '@polygate/plugin-sdk';
import { RunnerConnectRequest } from '@polygate/rpc';
import type { DataPlaneFrame } from '@polygate/rpc';
import { describe, expect, test } from 'vitest';
import {
  encodeConf,
  encodeFrame,
  encodeRequestCall,
  encodeResponseCall,
  holdFrame,
} from './call-frames.ts';

// The generated decoder is what the manager reads with.
const decode = (...frames: Buffer[]): DataPlaneFrame[] =>
  RunnerConnectRequest.decode(Buffer.concat(frames)).frames;

const reference = {
  key: 'route#1#ext-plugin-pre-req#1',
  plugins: [{ name: 'p', value: '{"a":1}' }],
};
const conf = { conf: encodeConf(reference), runner: 'go' };
const terms = { timeoutMs: 60_000, retries: 1, traceparent: '', tracestate: '', known: undefined };
const request = {
  ...terms,
  method: 'GET',
  path: '/',
  args: [],
  headers: new HeaderList(),
  host: undefined,
  sourceIp: Buffer.from([10, 0, 0, 1]),
};

describe('frames', () => {
  test('of a request are what the generated decoder expects', () => {
    const headers = HeaderList.fromRaw(['Host', 'a', 'X-Latin', 'Ã¤', 'X-Empty', '']);
    const shown = {
      ...request,
      args: [
        { name: 'x', value: 'ä' },
        { name: 'flag', value: undefined },
        { name: 'empty', value: '' },
      ],
      headers,
      host: 'upstream.example',
      traceparent: '00-1-2-01',
      tracestate: 'a=b',
      known: {
        variables: [{ name: 'v', value: '1' }, { name: 'none' }],
        requestBody: Buffer.from('body'),
        hasNoRequestBody: false,
      },
    };
    expect(decode(encodeRequestCall(0xffff_ffff, conf, shown))).toEqual([
      {
        callId: 0xffff_ffff,
        frame: {
          $case: 'requestCall',
          value: {
            conf: reference,
            method: 'GET',
            path: '/',
            args: [
              { name: 'x', value: 'ä' },
              { name: 'flag', value: undefined },
              { name: 'empty', value: '' },
            ],
            headers: [
              { name: 'host', value: 'upstream.example' },
              { name: 'x-latin', value: 'ä' },
              { name: 'x-empty', value: '' },
            ],
            sourceIp: Buffer.from([10, 0, 0, 1]),
            timeoutMs: 60_000,
            traceparent: '00-1-2-01',
            tracestate: 'a=b',
            runner: 'go',
            known: {
              variables: [
                { name: 'v', value: '1' },
                { name: 'none', value: undefined },
              ],
              requestBody: Buffer.from('body'),
              hasNoRequestBody: false,
              responseBody: undefined,
            },
            retries: 1,
          },
        },
      },
    ]);
  });

  test('of a response are, too', () => {
    const headers = HeaderList.fromRaw(['Content-Type', 'text/html']);
    const [frame] = decode(encodeResponseCall(7, conf, { ...terms, status: 404, headers }));
    expect(frame).toMatchObject({
      callId: 7,
      frame: {
        $case: 'responseCall',
        value: {
          conf: reference,
          status: 404,
          headers: [{ name: 'Content-Type', value: 'text/html' }],
          timeoutMs: 60_000,
          runner: 'go',
          known: undefined,
          retries: 1,
        },
      },
    });
  });

  // lengths around what one, two and three bytes of a length hold, and what is copied by hand
  test.each([0, 1, 63, 64, 65, 100, 127, 128, 200, 0x1fff, 0x3fff, 0x4000, 70_000, 0x20_0000])(
    'hold texts of %i characters, ASCII or not',
    (length) => {
      for (const character of ['a', 'ä', '€']) {
        const path = character.repeat(length);
        const headers = HeaderList.fromRaw(['x', 'a'.repeat(length)]);
        const frame = encodeRequestCall(1, conf, { ...request, path, headers });
        expect(decode(frame)[0]?.frame).toMatchObject({
          value: { path, headers: [{ name: 'x', value: 'a'.repeat(length) }] },
        });
      }
    },
  );

  test('behind one another are one message', () => {
    const frames = decode(
      holdFrame(reference, 'go'),
      encodeRequestCall(1, conf, request),
      encodeFrame({ callId: 1, frame: { $case: 'cancelCall', value: {} } }),
    );
    expect(frames.map(({ callId, frame }) => `${callId} ${frame?.$case}`)).toEqual([
      '0 holdConf',
      '1 requestCall',
      '1 cancelCall',
    ]);
    expect(frames[0]?.frame).toEqual({
      $case: 'holdConf',
      value: { conf: reference, runner: 'go' },
    });
  });
});
