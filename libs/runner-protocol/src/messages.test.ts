import fc from 'fast-check';
import { Builder, ByteBuffer } from 'flatbuffers';
import { expect, test } from 'vitest';
import { decodeErrorResponse, encodeErrorResponse, errorText } from './error-response.ts';
import { ProtocolError } from './errors.ts';
import { encodeFrame, FRAME_PAYLOAD_BYTES_MAX, FrameType } from './frame.ts';
import {
  decodeExtraInfoRequest,
  decodeExtraInfoResponse,
  encodeExtraInfoRequest,
  encodeExtraInfoResponse,
} from './extra-info.ts';
import {
  decodeHttpReqCallRequest,
  decodeHttpReqCallResponse,
  encodeHttpReqCallRequest,
  encodeHttpReqCallRequestFrame,
  encodeHttpReqCallResponse,
  encodeHttpReqCallResponseFrame,
  viewHttpReqCallRequest,
} from './http-req-call.ts';
import {
  decodeHttpRespCallRequest,
  decodeHttpRespCallResponse,
  encodeHttpRespCallRequest,
  encodeHttpRespCallResponse,
  encodeHttpRespCallResponseFrame,
} from './http-resp-call.ts';
import { methodNumber, METHODS } from './method.ts';
import {
  decodePrepareConfRequest,
  decodePrepareConfResponse,
  encodePrepareConfRequest,
  encodePrepareConfResponse,
} from './prepare-conf.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const uint32 = fc.nat(0xffff_ffff);
const uint16 = fc.nat(0xffff);
const bytes = fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array));
const entries = fc.array(
  fc.oneof(fc.record({ name: text }), fc.record({ name: text, value: text })),
  { maxLength: 12 },
);
const headers = entries;

const prepareConfRequest = fc.record({ conf: entries, key: text });
const httpReqCallRequest = fc.record({
  id: uint32,
  srcIp: bytes,
  method: fc.constantFrom(...METHODS),
  path: text,
  args: entries,
  headers,
  confToken: uint32,
});
const action = fc.oneof(
  fc.constant({ kind: 'continue' as const }),
  fc.record({ kind: fc.constant('stop' as const), status: uint16, headers, body: bytes }),
  fc.record({
    kind: fc.constant('rewrite' as const),
    path: fc.option(text, { nil: undefined }),
    headers,
    args: entries,
    respHeaders: entries,
    body: bytes,
  }),
);
const httpReqCallResponse = fc.record({ id: uint32, action });
const httpRespCallRequest = fc.record({ id: uint32, status: uint16, headers, confToken: uint32 });
const httpRespCallResponse = fc.record({ id: uint32, status: uint16, headers, body: bytes });
const extraInfoRequest = fc.oneof(
  fc.record({ kind: fc.constant('variable' as const), name: text }),
  fc.constant({ kind: 'requestBody' as const }),
  fc.constant({ kind: 'responseBody' as const }),
);
const extraInfoResponse = fc.record({ result: fc.option(bytes, { nil: undefined }) });

interface Codec<Message> {
  readonly name: string;
  readonly message: fc.Arbitrary<Message>;
  readonly encode: (message: Message) => Uint8Array;
  readonly decode: (payload: Uint8Array) => unknown;
}
const codec = <Message>(
  name: string,
  message: fc.Arbitrary<Message>,
  encode: Codec<Message>['encode'],
  decode: Codec<Message>['decode'],
): Codec<unknown> => ({ name, message, encode: encode as Codec<unknown>['encode'], decode });

const codecs: readonly Codec<unknown>[] = [
  codec('Err.Resp', fc.record({ code: fc.nat(255) }), encodeErrorResponse, decodeErrorResponse),
  codec('PrepareConf.Req', prepareConfRequest, encodePrepareConfRequest, decodePrepareConfRequest),
  codec(
    'PrepareConf.Resp',
    fc.record({ confToken: uint32 }),
    encodePrepareConfResponse,
    decodePrepareConfResponse,
  ),
  codec('HTTPReqCall.Req', httpReqCallRequest, encodeHttpReqCallRequest, decodeHttpReqCallRequest),
  codec(
    'HTTPReqCall.Resp',
    httpReqCallResponse,
    encodeHttpReqCallResponse,
    decodeHttpReqCallResponse,
  ),
  codec(
    'HTTPRespCall.Req',
    httpRespCallRequest,
    encodeHttpRespCallRequest,
    decodeHttpRespCallRequest,
  ),
  codec(
    'HTTPRespCall.Resp',
    httpRespCallResponse,
    encodeHttpRespCallResponse,
    decodeHttpRespCallResponse,
  ),
  codec('ExtraInfo.Req', extraInfoRequest, encodeExtraInfoRequest, decodeExtraInfoRequest),
  codec('ExtraInfo.Resp', extraInfoResponse, encodeExtraInfoResponse, decodeExtraInfoResponse),
];

test.each(codecs)('$name comes back as it was sent', ({ message, encode, decode }) => {
  fc.assert(
    fc.property(message, (sent) => {
      expect(decode(encode(sent))).toEqual(sent);
    }),
  );
});

/** Decoding may succeed or say ProtocolError; anything else is a bug. */
function decodeGuarded(decode: (payload: Uint8Array) => unknown, payload: Uint8Array): void {
  try {
    decode(payload);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
  }
}

test.each(codecs)('$name decoded from garbage is a ProtocolError or a message', ({ decode }) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => decodeGuarded(decode, payload)),
    { numRuns: 2000 },
  );
});

test.each(codecs)(
  '$name with bytes overwritten, cut or appended never reads outside',
  ({ message, encode, decode }) => {
    const damage = fc.record({ at: fc.nat(600), value: fc.nat(255), keep: fc.nat(700) });
    fc.assert(
      fc.property(message, fc.array(damage, { minLength: 1, maxLength: 8 }), (sent, damages) => {
        const payload = Buffer.from(encode(sent));
        for (const { at, value } of damages) if (at < payload.length) payload[at] = value;
        decodeGuarded(decode, payload);
        decodeGuarded(decode, payload.subarray(0, damages[0]!.keep));
        decodeGuarded(decode, Buffer.concat([payload, payload]));
      }),
      { numRuns: 1000 },
    );
  },
);

test.each(codecs)('$name refuses an empty payload', ({ decode }) => {
  expect(() => decode(Buffer.alloc(0))).toThrow(ProtocolError);
});

test('a message does not grow when decoded, however often it points at the same string', () => {
  const builder = new Builder(1024);
  const big = builder.createString('x'.repeat(1_000_000));
  builder.startObject(2);
  builder.addFieldOffset(0, big, 0);
  const entry = builder.endObject();
  builder.startVector(4, 100_000, 4);
  for (let slot = 0; slot < 100_000; slot++) builder.addOffset(entry);
  const conf = builder.endVector();
  builder.startObject(2);
  builder.addFieldOffset(0, conf, 0);
  builder.finish(builder.endObject());
  expect(() => decodePrepareConfRequest(builder.asUint8Array())).toThrow(/more content than bytes/);
});

test('strings that a writer shares between entries are read', () => {
  const builder = new Builder(1024);
  const name = builder.createString('x-same');
  const offsets = Array.from({ length: 50 }, () => {
    builder.startObject(2);
    builder.addFieldOffset(0, name, 0);
    builder.addFieldOffset(1, name, 0);
    return builder.endObject();
  });
  builder.startVector(4, offsets.length, 4);
  for (const offset of offsets) builder.addOffset(offset);
  const conf = builder.endVector();
  builder.startObject(2);
  builder.addFieldOffset(0, conf, 0);
  builder.finish(builder.endObject());
  expect(decodePrepareConfRequest(builder.asUint8Array()).conf).toHaveLength(50);
});

test('the runtime of flatbuffers reads what we write', () => {
  const payload = encodeHttpReqCallRequest({
    id: 0x8000_0001,
    srcIp: Buffer.from([127, 0, 0, 1]),
    method: 'TRACE',
    path: '/ä',
    args: [{ name: 'flag' }],
    headers: [{ name: 'host', value: '' }],
    confToken: 0xffff_ffff,
  });
  const message = new ByteBuffer(payload);
  const root = message.readInt32(0);
  const field = (number: number): number => root + message.__offset(root, 4 + number * 2);
  expect(message.readUint32(field(0))).toBe(0x8000_0001);
  expect(message.readUint8(field(2))).toBe(14);
  expect(message.__string(field(3))).toBe('/ä');
  expect(message.readUint32(field(6))).toBe(0xffff_ffff);
  const srcIp = message.__vector(field(1));
  expect(message.__vector_len(field(1))).toBe(4);
  expect([...message.bytes().subarray(srcIp, srcIp + 4)]).toEqual([127, 0, 0, 1]);
  const arg = message.__indirect(message.__vector(field(4)));
  expect(message.__string(arg + message.__offset(arg, 4))).toBe('flag');
  expect(message.__offset(arg, 6)).toBe(0);
  const header = message.__indirect(message.__vector(field(5)));
  expect(message.__string(header + message.__offset(header, 6))).toBe('');
});

test('nothing of an earlier message shows in a later one', () => {
  encodePrepareConfRequest({ conf: [], key: 'x'.repeat(5000) });
  const payload = encodePrepareConfRequest({ conf: [{ name: 'a', value: 'b' }], key: 'c' });
  expect(payload.includes('x'.charCodeAt(0))).toBe(false);
});

test('methods have the numbers of the schema, and others have none', () => {
  expect(methodNumber('GET')).toBe(0);
  expect(methodNumber('PATCH')).toBe(13);
  expect(methodNumber('TRACE')).toBe(14);
  for (const method of ['CONNECT', 'PURGE', 'get', '', 'constructor']) {
    expect(methodNumber(method)).toBeUndefined();
    expect(() =>
      encodeHttpReqCallRequest({
        id: 1,
        srcIp: Buffer.alloc(4),
        method,
        path: '/',
        args: [],
        headers: [],
        confToken: 1,
      }),
    ).toThrow(ProtocolError);
  }
});

test('numbers the schema cannot hold are refused, not wrapped', () => {
  expect(() => encodePrepareConfResponse({ confToken: 2 ** 32 })).toThrow(ProtocolError);
  expect(() => encodePrepareConfResponse({ confToken: -1 })).toThrow(ProtocolError);
  expect(() =>
    encodeHttpRespCallResponse({ id: 1, status: 65_536, headers: [], body: Buffer.alloc(0) }),
  ).toThrow(ProtocolError);
});

test('an action of unknown kind is refused rather than taken for "continue"', () => {
  const builder = new Builder(64);
  builder.startObject(0);
  const nothing = builder.endObject();
  builder.startObject(3);
  builder.addFieldInt8(1, 9, 0);
  builder.addFieldOffset(2, nothing, 0);
  builder.finish(builder.endObject());
  expect(() => decodeHttpReqCallResponse(builder.asUint8Array())).toThrow(/unknown action type 9/);
});

test('an unknown question is named as APISIX names it', () => {
  const builder = new Builder(64);
  builder.startObject(2);
  builder.addFieldInt8(0, 7, 0);
  builder.finish(builder.endObject());
  expect(() => decodeExtraInfoRequest(builder.asUint8Array())).toThrow(
    new ProtocolError('UNSUPPORTED_INFO', 'unsupported info type: 7'),
  );
});

test('error codes have the texts of APISIX', () => {
  expect([0, 1, 2, 3].map(errorText)).toEqual([
    'bad request',
    'service unavailable',
    'conf token not found',
    'unknown err 3',
  ]);
});

test('an error frame of the Python runner under type 2 has no id, which is how it is told', () => {
  const asAnswer = decodeHttpReqCallResponse(encodeErrorResponse({ code: 0 }));
  expect(asAnswer).toEqual({ id: 0, action: { kind: 'continue' } });
});

test('a large body goes through', () => {
  const body = Buffer.alloc(16_000_000, 3);
  const payload = encodeHttpReqCallResponse({
    id: 5,
    action: { kind: 'stop', status: 200, headers: [], body },
  });
  const { action: decoded } = decodeHttpReqCallResponse(payload);
  expect(decoded.kind === 'stop' && Buffer.compare(decoded.body, body)).toBe(0);
});

test('a call or answer encoded as a frame is the frame of what is encoded', () => {
  fc.assert(
    fc.property(httpReqCallRequest, (call) => {
      expect(encodeHttpReqCallRequestFrame(call)).toEqual(
        encodeFrame(FrameType.HTTP_REQ_CALL, encodeHttpReqCallRequest(call)),
      );
    }),
    { numRuns: 30 },
  );
  fc.assert(
    fc.property(httpReqCallResponse, httpRespCallResponse, (request, response) => {
      expect(encodeHttpReqCallResponseFrame(request)).toEqual(
        encodeFrame(FrameType.HTTP_REQ_CALL, encodeHttpReqCallResponse(request)),
      );
      expect(encodeHttpRespCallResponseFrame(response)).toEqual(
        encodeFrame(FrameType.HTTP_RESP_CALL, encodeHttpRespCallResponse(response)),
      );
    }),
  );
});

test('an answer that fits no frame is refused', () => {
  const body = Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX);
  const action = { kind: 'stop' as const, status: 200, headers: [], body };
  expect(() => encodeHttpReqCallResponseFrame({ id: 1, action })).toThrow(
    expect.objectContaining({ code: 'TOO_LARGE' }),
  );
});

test('a view of a request call shows what decoding it gives', () => {
  fc.assert(
    fc.property(httpReqCallRequest, (sent) => {
      const view = viewHttpReqCallRequest(encodeHttpReqCallRequest(sent));
      expect({
        id: view.id,
        srcIp: view.srcIp(),
        method: view.method(),
        path: view.path(),
        args: view.args(),
        headers: view.headers(),
        confToken: view.confToken,
      }).toEqual(sent);
    }),
  );
});

test('an error carries words for those who look for them, and only its code for others', () => {
  const payload = encodeErrorResponse({ code: 0, message: 'the conf is bad' });
  expect(decodeErrorResponse(payload)).toEqual({ code: 0, message: 'the conf is bad' });
  // As code generated from APISIX's schema reads it: field 0 of the root table.
  const bytes = new ByteBuffer(new Uint8Array(encodeErrorResponse({ code: 2, message: 'x' })));
  const root = bytes.readInt32(0);
  const field = bytes.__offset(root, 4);
  expect(bytes.readUint8(root + field)).toBe(2);
  const { message } = decodeErrorResponse(
    encodeErrorResponse({ code: 1, message: 'x'.repeat(9_999) }),
  );
  expect(message).toHaveLength(4_096);
});
