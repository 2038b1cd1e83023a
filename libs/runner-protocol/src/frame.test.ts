import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ProtocolError } from './errors.ts';
import { encodeFrame, FRAME_PAYLOAD_BYTES_MAX, FrameDecoder, FrameType } from './frame.ts';

test('a frame starts with its type and its length in three bytes, big endian', () => {
  const frame = encodeFrame(FrameType.HTTP_REQ_CALL, Buffer.alloc(0x01_02_03));
  expect([...frame.subarray(0, 4)]).toEqual([2, 1, 2, 3]);
  expect(frame.length).toBe(4 + 0x01_02_03);
});

test('a frame may be empty', () => {
  expect([...encodeFrame(FrameType.ERROR, Buffer.alloc(0))]).toEqual([0, 0, 0, 0]);
  expect(new FrameDecoder().push(Buffer.alloc(4))).toEqual([{ type: 0, payload: Buffer.alloc(0) }]);
});

test('the largest payload goes through; one byte more is refused in the words of APISIX', () => {
  const largest = Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX, 7);
  const [frame] = new FrameDecoder().push(encodeFrame(1, largest));
  expect(frame?.payload.equals(largest)).toBe(true);
  expect(() => encodeFrame(1, Buffer.alloc(FRAME_PAYLOAD_BYTES_MAX + 1))).toThrow(
    new ProtocolError('TOO_LARGE', 'the max length of data is 16777215 but got 16777216'),
  );
});

test('FrameDecoder refuses a type that the protocol has not as soon as the header is there', () => {
  const header = Buffer.from([5, 0xff, 0xff, 0xff]);
  expect(() => new FrameDecoder().push(header)).toThrow('unexpected type 5');
  const decoder = new FrameDecoder();
  decoder.push(header.subarray(0, 3));
  expect(() => decoder.push(header.subarray(3))).toThrow('unexpected type 5');
});

test('FrameDecoder finds the same frames however the stream is cut', () => {
  const frames = fc.array(
    fc.record({ type: fc.nat(4), payload: fc.uint8Array({ maxLength: 3000 }) }),
    { maxLength: 6 },
  );
  const cuts = fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(frames, cuts, (sent, sizes) => {
      const stream = Buffer.concat(
        sent.map(({ type, payload }) => encodeFrame(type, Buffer.from(payload))),
      );
      const decoder = new FrameDecoder();
      const received: { type: number; payload: number[] }[] = [];
      for (let at = 0, turn = 0; at < stream.length; turn++) {
        const size = sizes[turn % sizes.length]!;
        // a copy, as a socket hands out: what is returned must hold until the next push
        const chunk = Buffer.from(stream.subarray(at, at + size));
        for (const frame of decoder.push(chunk)) {
          received.push({ type: frame.type, payload: [...frame.payload] });
        }
        at += size;
      }
      expect(received).toEqual(sent.map((f) => ({ type: f.type, payload: [...f.payload] })));
      expect(decoder.unfinishedBytes).toBe(0);
    }),
  );
});

test('FrameDecoder takes a large frame byte by byte in linear time', () => {
  const frame = encodeFrame(4, Buffer.alloc(300_000, 1));
  const decoder = new FrameDecoder();
  let framesEarly = 0;
  for (let at = 0; at < frame.length - 1; at++) {
    framesEarly += decoder.push(frame.subarray(at, at + 1)).length;
  }
  expect(framesEarly).toBe(0);
  expect(decoder.unfinishedBytes).toBe(frame.length - 1);
  expect(decoder.push(frame.subarray(-1))[0]?.payload.length).toBe(300_000);
});

test('FrameDecoder refuses a frame over its limit at the header, before any of the payload', () => {
  const decoder = new FrameDecoder(1000);
  expect(() => decoder.push(Buffer.from([2, 0, 3, 233]))).toThrow(
    new ProtocolError('TOO_LARGE', 'the max length of data is 1000 but got 1001'),
  );
});

test('FrameDecoder does not believe a length before the bytes are there', () => {
  const before = process.memoryUsage().arrayBuffers;
  const decoders = Array.from({ length: 200 }, () => new FrameDecoder());
  for (const decoder of decoders) decoder.push(Buffer.from([2, 255, 255, 255, 0]));
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16 * 1024 * 1024);
  expect(decoders[0]?.unfinishedBytes).toBe(5);
});
