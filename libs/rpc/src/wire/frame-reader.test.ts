import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConnectRequest, type RequestCall } from '../gen/polygate/runner/v1/runner.ts';
import { readConnectRequest } from './frame-reader.ts';

const encoded = (message: ConnectRequest): Buffer =>
  Buffer.from(ConnectRequest.encode(message).finish());

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((value) => value.isWellFormed());
const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
const entry = fc.record({ name: text, value: fc.option(text, { nil: undefined }) });
const entries = fc.array(entry, { maxLength: 6 });
const uint32 = fc.integer({ min: 0, max: 0xffff_ffff });
const plugins = fc.array(fc.record({ name: text, value: text }), { maxLength: 3 });
const call: fc.Arbitrary<RequestCall> = fc.record({
  conf: fc.option(fc.record({ key: text, plugins }), { nil: undefined }),
  method: text,
  path: text,
  args: entries,
  headers: entries,
  sourceIp: bytes,
  timeoutMs: uint32,
  traceparent: text,
  tracestate: text,
  runner: text,
  known: fc.option(
    fc.record({
      variables: entries,
      requestBody: fc.option(bytes, { nil: undefined }),
      hasNoRequestBody: fc.boolean(),
      responseBody: fc.option(bytes, { nil: undefined }),
    }),
    { nil: undefined },
  ),
  retries: uint32,
});
const frame = fc.record({
  callId: uint32,
  frame: fc.oneof(
    call.map((value) => ({ $case: 'requestCall', value }) as const),
    bytes.map((result) => ({ $case: 'extraInfoAnswer', value: { result } }) as const),
    fc.constant({ $case: 'cancelCall', value: {} } as const),
    fc.constant(undefined),
  ),
});

describe('messages of a data plane', () => {
  test('are read as the generated decoder reads them', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 5 }), (frames) => {
        const message = encoded({ frames });
        expect(readConnectRequest(message)).toEqual(ConnectRequest.decode(message));
      }),
    );
  });

  test('may hold fields of a newer data plane, which are passed over', () => {
    const one = encoded({
      frames: [{ callId: 7, frame: { $case: 'cancelCall', value: {} } }],
    });
    // a number, four bytes, a text, eight bytes
    const numbers = [0x78, 5, 0x7d, 1, 2, 3, 4];
    const others = [0x7a, 2, 9, 9, 0x79, 1, 2, 3, 4, 5, 6, 7, 8];
    const padded = Buffer.concat([Buffer.from([...numbers, ...others]), one]);
    expect(readConnectRequest(padded)).toEqual(ConnectRequest.decode(padded));
    expect(readConnectRequest(padded).frames).toHaveLength(1);
  });

  test('that are cut or made up are refused, and nothing beyond them is read', () => {
    fc.assert(
      fc.property(fc.array(frame, { minLength: 1, maxLength: 3 }), fc.nat(), (frames, at) => {
        const whole = encoded({ frames });
        const cut = whole.subarray(0, at % whole.length);
        let generated: unknown;
        try {
          generated = ConnectRequest.decode(cut);
        } catch {
          expect(() => readConnectRequest(cut)).toThrow();
          return;
        }
        expect(readConnectRequest(cut)).toEqual(generated);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (noise) => {
        try {
          readConnectRequest(Buffer.from(noise));
        } catch (error) {
          expect(error).toBeInstanceOf(Error);
        }
      }),
    );
  });

  test('with the same conf share it', () => {
    const conf = { key: 'route#1', plugins: [{ name: 'p', value: 'v' }] };
    const [empty] = fc.sample(call, 1);
    const message = encoded({
      frames: [1, 2].map((callId) => ({
        callId,
        frame: { $case: 'requestCall', value: { ...(empty as RequestCall), conf } },
      })),
    });
    const confs = readConnectRequest(message).frames.map(({ frame: of }) =>
      of?.$case === 'requestCall' ? of.value.conf : undefined,
    );
    expect(confs[0]).toEqual(conf);
    expect(confs[1]).toBe(confs[0]);
  });
});
