import {
  ConfReference,
  DataPlaneFrame,
  KnownInfo,
  type ConnectRequest,
  type Entry,
  type RequestCall,
} from '../gen/polygate/runner/v1/runner.ts';

/** Confs come with each call: those up to this are known again by their bytes. */
const KNOWN_CONF_BYTES_MAX = 4096;
const KNOWN_CONFS_MAX = 2048;
const VARINT_BITS_MAX = 70;

const knownConfs = new Map<string, ConfReference>();

/**
 * `ConnectRequest.decode`, with request calls read by hand: they are what nearly all frames are, and
 * the generated decoder spends a fifth of what a call costs on their texts. Bytes are views of
 * `message`, and confs are shared between calls: nobody writes to them.
 *
 * @throws {RangeError} where lengths do not fit the message.
 */
export function readConnectRequest(message: Buffer): ConnectRequest {
  const reader = new Reader(message, 0, message.length);
  const frames: DataPlaneFrame[] = [];
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === 0x0a) frames.push(readFrame(reader.within()));
    else reader.skip(tag);
  }
  return { frames };
}

function readFrame(reader: Reader): DataPlaneFrame {
  const { start } = reader;
  let callId = 0;
  let call: RequestCall | undefined;
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === 0x08) callId = reader.varint();
    else if (tag === 0x12) call = readRequestCall(reader.within());
    // Anything else is rare.
    else return DataPlaneFrame.decode(reader.bytes.subarray(start, reader.end));
  }
  return { callId, frame: call && { $case: 'requestCall', value: call } };
}

function readRequestCall(reader: Reader): RequestCall {
  const call: RequestCall = {
    conf: undefined,
    method: '',
    path: '',
    args: [],
    headers: [],
    sourceIp: NO_BYTES,
    timeoutMs: 0,
    traceparent: '',
    tracestate: '',
    runner: '',
    known: undefined,
    retries: 0,
  };
  while (!reader.isAtEnd) readCallField(reader, call);
  return call;
}

const NO_BYTES = Buffer.alloc(0);

function readCallField(reader: Reader, call: RequestCall): void {
  const tag = reader.varint();
  switch (tag) {
    case 0x0a:
      call.conf = readConf(reader.view());
      return;
    case 0x12:
      call.method = reader.text();
      return;
    case 0x1a:
      call.path = reader.text();
      return;
    case 0x22:
      call.args.push(readEntry(reader.within()));
      return;
    case 0x2a:
      call.headers.push(readEntry(reader.within()));
      return;
    case 0x32:
      call.sourceIp = reader.view();
      return;
    case 0x38:
      call.timeoutMs = reader.varint();
      return;
    case 0x42:
      call.traceparent = reader.text();
      return;
    case 0x4a:
      call.tracestate = reader.text();
      return;
    case 0x52:
      call.runner = reader.text();
      return;
    case 0x5a:
      call.known = KnownInfo.decode(reader.view());
      return;
    case 0x60:
      call.retries = reader.varint();
      return;
    default:
      reader.skip(tag);
  }
}

function readEntry(reader: Reader): Entry {
  const entry: Entry = { name: '', value: undefined };
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === 0x0a) entry.name = reader.text();
    else if (tag === 0x12) entry.value = reader.text();
    else reader.skip(tag);
  }
  return entry;
}

function readConf(bytes: Buffer): ConfReference {
  if (bytes.length > KNOWN_CONF_BYTES_MAX) return ConfReference.decode(bytes);
  const id = bytes.toString('latin1');
  const known = knownConfs.get(id);
  if (known !== undefined) return known;
  const conf = ConfReference.decode(bytes);
  if (knownConfs.size >= KNOWN_CONFS_MAX) knownConfs.clear();
  knownConfs.set(id, conf);
  return conf;
}

/** A message, or one within another. */
class Reader {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  #position: number;

  constructor(bytes: Buffer, start: number, end: number) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.#position = start;
  }

  get isAtEnd(): boolean {
    return this.#position >= this.end;
  }

  /** The lower 32 bits. */
  varint(): number {
    let value = 0;
    for (let bits = 0; bits < VARINT_BITS_MAX; bits += 7) {
      if (this.#position >= this.end) break;
      const byte = this.bytes[this.#position] as number;
      this.#position += 1;
      if (bits < 32) value |= (byte & 0x7f) << bits;
      if (byte < 0x80) return value >>> 0;
    }
    throw new RangeError('malformed message: a number without end');
  }

  text(): string {
    const start = this.#take();
    return this.bytes.toString('utf8', start, this.#position);
  }

  view(): Buffer {
    const start = this.#take();
    return this.bytes.subarray(start, this.#position);
  }

  within(): Reader {
    const start = this.#take();
    return new Reader(this.bytes, start, this.#position);
  }

  skip(tag: number): void {
    switch (tag & 7) {
      case 0:
        this.varint();
        return;
      case 1:
        return this.#pass(8);
      case 2:
        this.#take();
        return;
      case 5:
        return this.#pass(4);
      default:
        throw new RangeError(`malformed message: wire type ${tag & 7}`);
    }
  }

  /** Passes a length and what it is of; answers where that begins. */
  #take(): number {
    const length = this.varint();
    const start = this.#position;
    this.#pass(length);
    return start;
  }

  #pass(length: number): void {
    if (this.#position + length > this.end) {
      throw new RangeError(`malformed message: ${length} bytes, ${this.end} are there`);
    }
    this.#position += length;
  }
}
