import { FrameWriter, ManagerFrame, type Entry, type RequestResult } from '@polygate/rpc';

// Frames of the stream to a data plane, each as field 1 of a ConnectResponse: what lies behind one
// another is one message. Tags are `field number << 3 | wire type`, of polygate/runner/v1/runner.proto.

type Result = Extract<ManagerFrame['frame'], { $case: 'requestResult' | 'responseResult' }>;
type Action = NonNullable<RequestResult['action']>;

const RESULT_BYTES_GUESS = 0x20;
/** A larger body is not copied into the writer and out again. */
const WRITTEN_BODY_BYTES_MAX = 65_536;

const writer = new FrameWriter();

/** By hand what nearly all frames are: the generated encoder makes a piece of memory for each text. */
export function encodeAnswer(answer: ManagerFrame): Buffer {
  const { callId, frame } = answer;
  const isResult = frame?.$case === 'requestResult' || frame?.$case === 'responseResult';
  if (!isResult || bodyLength(frame) > WRITTEN_BODY_BYTES_MAX) return encodeOther(answer);
  writer.start();
  const opened = writer.open(0x0a, RESULT_BYTES_GUESS);
  writer.number(0x08, callId);
  const result = writer.open(frame.$case === 'requestResult' ? 0x12 : 0x22, RESULT_BYTES_GUESS);
  if (frame.$case === 'responseResult') writeAnswer(frame.value);
  else if (frame.value.action !== undefined) writeAction(frame.value.action);
  writer.close(result);
  writer.close(opened);
  return writer.finish();
}

function encodeOther(answer: ManagerFrame): Buffer {
  const content = ManagerFrame.encode(answer).finish();
  writer.start();
  writer.head(0x0a, content.length);
  return Buffer.concat([writer.finish(), content]);
}

function bodyLength(frame: Result): number {
  if (frame.$case === 'responseResult') return frame.value.body.length;
  const { action } = frame.value;
  return action === undefined || action.$case === 'continue' ? 0 : action.value.body.length;
}

function writeAction(action: Action): void {
  switch (action.$case) {
    case 'continue':
      return writer.head(0x0a, 0);
    case 'stop': {
      const opened = writer.open(0x12, RESULT_BYTES_GUESS);
      writeAnswer(action.value);
      return writer.close(opened);
    }
    case 'rewrite': {
      const { path, headers, args, responseHeaders, body } = action.value;
      const opened = writer.open(0x1a, RESULT_BYTES_GUESS);
      if (path !== undefined) writer.text(0x0a, path);
      writeEntries(0x12, headers);
      writeEntries(0x1a, args);
      writeEntries(0x22, responseHeaders);
      if (body.length > 0) writer.bytes(0x2a, body);
      return writer.close(opened);
    }
  }
}

function writeAnswer(answer: { status: number; headers: Entry[]; body: Buffer }): void {
  writer.number(0x08, answer.status);
  writeEntries(0x12, answer.headers);
  if (answer.body.length > 0) writer.bytes(0x1a, answer.body);
}

function writeEntries(tag: number, entries: readonly Entry[]): void {
  for (const { name, value } of entries) {
    const opened = writer.open(tag, RESULT_BYTES_GUESS);
    if (name !== '') writer.text(0x0a, name);
    if (value !== undefined) writer.text(0x12, value);
    writer.close(opened);
  }
}
