import { ConfReference, DataPlaneFrame, FrameWriter, KnownInfo } from '@polygate/rpc';
import type { Entry } from '@polygate/rpc';
import type { HeaderList, QueryArgument } from '@polygate/plugin-sdk';
import { headerTextToUtf8 } from './wire-text.ts';

// Frames of the stream to a runner manager, each as field 1 of a ConnectRequest: what lies behind one
// another is one message. Tags are `field number << 3 | wire type`, of polygate/runner/v1/runner.proto.

/** What is the same in all calls of one conf. */
export interface CallConf {
  /** Field 1 of either call, encoded. */
  readonly conf: Uint8Array;
  /** Name of the pool; empty: the default one. */
  readonly runner: string;
}

interface CallTerms {
  readonly timeoutMs: number;
  readonly retries: number;
  readonly traceparent: string;
  readonly tracestate: string;
  readonly known: KnownInfo | undefined;
}

/** A request as a runner is to see it. */
export interface RequestShown extends CallTerms {
  readonly method: string;
  readonly path: string;
  readonly args: readonly QueryArgument[];
  readonly headers: HeaderList;
  /** In the place of the Host header. */
  readonly host: string | undefined;
  readonly sourceIp: Uint8Array;
}

/** An upstream's answer as a runner is to see it. */
export interface ResponseShown extends CallTerms {
  readonly status: number;
  readonly headers: HeaderList;
}

const FRAME_BYTES_GUESS = 0x200;
const ENTRY_BYTES_GUESS = 0x20;

const writer = new FrameWriter();

export function encodeConf(conf: ConfReference): Uint8Array {
  writer.start();
  writer.bytes(0x0a, ConfReference.encode(conf).finish());
  return writer.finish();
}

export function encodeRequestCall(callId: number, of: CallConf, shown: RequestShown): Buffer {
  writer.start();
  const frame = writer.open(0x0a, FRAME_BYTES_GUESS);
  writer.number(0x08, callId);
  const call = writer.open(0x12, FRAME_BYTES_GUESS);
  writer.raw(of.conf);
  writer.text(0x12, shown.method);
  writer.text(0x1a, shown.path);
  for (const { name, value } of shown.args) writeEntry(0x22, name, value);
  const { headers, host } = shown;
  for (let i = 0; i < headers.size; i++) {
    // in lower case, as nginx has them
    const name = headers.lowerNameAt(i);
    const value = name === 'host' && host !== undefined ? host : headers.valueAt(i);
    writeEntry(0x2a, name, headerTextToUtf8(value));
  }
  if (shown.sourceIp.length > 0) writer.bytes(0x32, shown.sourceIp);
  writer.number(0x38, shown.timeoutMs);
  writer.textUnlessEmpty(0x42, shown.traceparent);
  writer.textUnlessEmpty(0x4a, shown.tracestate);
  writer.textUnlessEmpty(0x52, of.runner);
  if (shown.known !== undefined) writer.bytes(0x5a, KnownInfo.encode(shown.known).finish());
  writer.number(0x60, shown.retries);
  writer.close(call);
  writer.close(frame);
  return writer.finish();
}

export function encodeResponseCall(callId: number, of: CallConf, shown: ResponseShown): Buffer {
  writer.start();
  const frame = writer.open(0x0a, FRAME_BYTES_GUESS);
  writer.number(0x08, callId);
  const call = writer.open(0x22, FRAME_BYTES_GUESS);
  writer.raw(of.conf);
  writer.number(0x10, shown.status);
  const { headers } = shown;
  for (let i = 0; i < headers.size; i++) {
    // as the upstream spells them, like APISIX
    writeEntry(0x1a, headers.nameAt(i), headerTextToUtf8(headers.valueAt(i)));
  }
  writer.number(0x20, shown.timeoutMs);
  writer.textUnlessEmpty(0x2a, shown.traceparent);
  writer.textUnlessEmpty(0x32, shown.tracestate);
  writer.textUnlessEmpty(0x3a, of.runner);
  if (shown.known !== undefined) writer.bytes(0x42, KnownInfo.encode(shown.known).finish());
  writer.number(0x48, shown.retries);
  writer.close(call);
  writer.close(frame);
  return writer.finish();
}

/** Any other frame, by the generated encoder. */
export function encodeFrame(frame: DataPlaneFrame): Buffer {
  const content = DataPlaneFrame.encode(frame).finish();
  writer.start();
  // a body is not copied once more than it has to be
  writer.head(0x0a, content.length);
  const head = writer.finish();
  return Buffer.concat([head, content]);
}

export function holdFrame(conf: ConfReference, runner: string): Buffer {
  return encodeFrame({ callId: 0, frame: { $case: 'holdConf', value: { conf, runner } } });
}

export function releaseFrame(key: string, runner: string): Buffer {
  return encodeFrame({ callId: 0, frame: { $case: 'releaseConf', value: { key, runner } } });
}

function writeEntry(tag: number, name: string, value: Entry['value']): void {
  const entry = writer.open(tag, ENTRY_BYTES_GUESS);
  writer.text(0x0a, name);
  if (value !== undefined) writer.text(0x12, value);
  writer.close(entry);
}
