/** What the gateway reads of a ClientHello (RFC 8446, 4.1.2) before TLS itself begins. */
export interface ClientHello {
  /** As sent, printable ASCII; undefined: no server_name extension. */
  readonly serverName: string | undefined;
  /** In the client's order of preference; empty: no ALPN extension. */
  readonly protocols: readonly string[];
  /** The first identity of a pre_shared_key extension, a copy: what a TLS 1.3 client resumes by. */
  readonly pskIdentity: Buffer | undefined;
}

/** `alert`: the TLS alert to end the handshake with; undefined: this is not TLS at all. */
export interface HelloProblem {
  readonly alert: number | undefined;
  readonly reason: string;
}

export type HelloOutcome =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'hello'; readonly hello: ClientHello }
  | { readonly kind: 'refused'; readonly problem: HelloProblem };

export const ALERT = {
  unexpectedMessage: 10,
  recordOverflow: 22,
  handshakeFailure: 40,
  illegalParameter: 47,
  decodeError: 50,
  protocolVersion: 70,
  missingExtension: 109,
  unrecognizedName: 112,
} as const;

const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_RECORD = 22;
const CLIENT_HELLO = 1;
const MESSAGE_HEADER_BYTES = 4;
const RECORD_BYTES_MAX = 16_384;
const SERVER_NAME = 0;
const ALPN = 16;
const PRE_SHARED_KEY = 41;
const NOT_HANDSHAKE = 'no handshake record';
const EMPTY = Buffer.alloc(0);
const INCOMPLETE: HelloOutcome = { kind: 'incomplete' };
/** Whoever does not speak TLS is not waited for until it has sent a whole record header. */
const NOT_TLS: HelloOutcome = {
  kind: 'refused',
  problem: { alert: undefined, reason: NOT_HANDSHAKE },
};

/** The hello itself; with post-quantum key shares one has about 2 KB. */
export const HELLO_BYTES_MAX = 16_384;
/** With record headers: a client may spread it over many small records, but not over any number. */
export const HELLO_WIRE_BYTES_MAX = 32_768;

/**
 * Reads a ClientHello from the first bytes of a connection, however they are cut: into segments and
 * into records. Strict: every length must come out even, no extension may come twice. Work is linear
 * in the bytes and memory is at most `HELLO_WIRE_BYTES_MAX`, so that one byte at a time costs nothing.
 * The bytes are kept, because TLS is to read them again.
 */
export class ClientHelloReader {
  readonly #wire = new GrowingBytes();
  /** Where the next record header starts. */
  #next = 0;
  readonly #message = new GrowingBytes();

  /** All that was pushed. Not to be changed. */
  get bytes(): Buffer {
    return this.#wire.bytes;
  }

  /** Not to be called again after another outcome than `incomplete`. The chunk is kept. */
  push(chunk: Buffer): HelloOutcome {
    this.#wire.append(chunk);
    const wire = this.#wire.bytes;
    while (wire.length - this.#next >= RECORD_HEADER_BYTES) {
      const problem = recordProblem(wire, this.#next);
      if (problem !== undefined) return { kind: 'refused', problem };
      const start = this.#next + RECORD_HEADER_BYTES;
      const end = start + wire.readUInt16BE(this.#next + 3);
      if (end > wire.length) break;
      this.#next = end;
      const outcome = this.#take(wire.subarray(start, end));
      if (outcome !== undefined) return outcome;
    }
    if (wire.length > 0 && wire[0] !== HANDSHAKE_RECORD) return NOT_TLS;
    if (wire.length < HELLO_WIRE_BYTES_MAX) return INCOMPLETE;
    return refused(ALERT.recordOverflow, 'ClientHello in too many records');
  }

  /** Undefined: the message goes on in the next record. */
  #take(fragment: Buffer): HelloOutcome | undefined {
    this.#message.append(fragment);
    const message = this.#message.bytes;
    if (message[0] !== CLIENT_HELLO) {
      return refused(ALERT.unexpectedMessage, 'a handshake message other than ClientHello');
    }
    if (message.length < MESSAGE_HEADER_BYTES) return undefined;
    const end = MESSAGE_HEADER_BYTES + message.readUIntBE(1, 3);
    if (end > HELLO_BYTES_MAX) {
      return refused(ALERT.illegalParameter, `ClientHello of ${end} bytes`);
    }
    return message.length < end
      ? undefined
      : parseHello(message.subarray(MESSAGE_HEADER_BYTES, end));
  }
}

/** The first piece, which is mostly the only one, is not copied; then memory doubles. */
class GrowingBytes {
  #memory: Buffer = EMPTY;
  #length = 0;
  #isOwn = false;

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  append(piece: Buffer): void {
    const length = this.#length + piece.length;
    if (this.#length === 0) {
      this.#memory = piece;
    } else {
      if (!this.#isOwn || this.#memory.length < length) this.#grow(length * 2);
      piece.copy(this.#memory, this.#length);
    }
    this.#length = length;
  }

  #grow(bytes: number): void {
    const memory = Buffer.alloc(bytes);
    this.#memory.copy(memory, 0, 0, this.#length);
    this.#memory = memory;
    this.#isOwn = true;
  }
}

function recordProblem(wire: Buffer, at: number): HelloProblem | undefined {
  if (wire[at] !== HANDSHAKE_RECORD) {
    return { alert: at === 0 ? undefined : ALERT.unexpectedMessage, reason: NOT_HANDSHAKE };
  }
  if (wire[at + 1] !== 3) {
    return { alert: ALERT.protocolVersion, reason: `record of version ${wire[at + 1]}` };
  }
  const length = wire.readUInt16BE(at + 3);
  if (length === 0) return { alert: ALERT.unexpectedMessage, reason: 'an empty record' };
  if (length <= RECORD_BYTES_MAX) return undefined;
  return { alert: ALERT.recordOverflow, reason: `record of ${length} bytes` };
}

function refused(alert: number, reason: string): HelloOutcome {
  return { kind: 'refused', problem: { alert, reason } };
}

/** A ClientHello that breaks the rules of its format; never leaves this file. */
class MalformedHello extends Error {
  readonly alert: number;

  constructor(reason: string, alert: number = ALERT.decodeError) {
    super(reason);
    this.alert = alert;
  }
}

function parseHello(body: Buffer): HelloOutcome {
  try {
    return { kind: 'hello', hello: readHello(new Fields(body)) };
  } catch (error) {
    if (error instanceof MalformedHello) return refused(error.alert, error.message);
    throw error;
  }
}

function readHello(fields: Fields): ClientHello {
  if (fields.uint8() !== 3) throw new MalformedHello('version', ALERT.protocolVersion);
  fields.skip(1 + 32);
  fields.vector8('session id', 0, 32);
  if (fields.vector16('cipher suites', 2).length % 2 !== 0) {
    throw new MalformedHello('cipher suites of odd length');
  }
  fields.vector8('compression methods', 1, 255);

  let serverName: string | undefined;
  let protocols: readonly string[] = [];
  let pskIdentity: Buffer | undefined;
  // Before TLS 1.3 a client may leave out the list of extensions.
  const extensions = fields.isDone ? fields : fields.vector16('extensions', 0);
  if (!fields.isDone) throw new MalformedHello('bytes after the extensions');
  const seen = new Set<number>();
  while (!extensions.isDone) {
    const type = extensions.uint16();
    const data = extensions.vector16('extension', 0);
    if (seen.has(type)) {
      throw new MalformedHello(`extension ${type} twice`, ALERT.illegalParameter);
    }
    seen.add(type);
    if (type === SERVER_NAME) serverName = readServerName(data);
    else if (type === ALPN) protocols = readProtocols(data);
    else if (type === PRE_SHARED_KEY) {
      if (!extensions.isDone) {
        throw new MalformedHello('pre_shared_key is not the last', ALERT.illegalParameter);
      }
      // RFC 8446, 4.2.11. What follows is for TLS to check.
      pskIdentity = data.vector16('identities', 7).vector16('identity', 1).copy();
    }
  }
  return { serverName, protocols, pskIdentity };
}

/** RFC 6066, 3: one name of a kind, and there is but one kind. */
function readServerName(fields: Fields): string {
  const names = fields.vector16('server names', 1);
  if (!fields.isDone) throw new MalformedHello('bytes after the server names');
  if (names.uint8() !== 0) throw new MalformedHello('server name of an unknown kind');
  const name = names.vector16('server name', 1);
  if (!names.isDone) throw new MalformedHello('more than one server name');
  const text = name.text();
  if (text.length > 255 || !/^[!-~]+$/.test(text)) {
    throw new MalformedHello('server name of wrong characters', ALERT.unrecognizedName);
  }
  return text;
}

/** RFC 7301, 3.1. */
function readProtocols(fields: Fields): readonly string[] {
  const list = fields.vector16('protocols', 2);
  if (!fields.isDone) throw new MalformedHello('bytes after the protocols');
  const protocols: string[] = [];
  while (!list.isDone) protocols.push(list.vector8('protocol', 1, 255).text());
  return protocols;
}

/** Reads numbers and length-prefixed vectors of a part of some bytes, and never past its end. */
class Fields {
  readonly #bytes: Buffer;
  readonly #end: number;
  #at: number;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get isDone(): boolean {
    return this.#at === this.#end;
  }

  /** What is left. */
  get length(): number {
    return this.#end - this.#at;
  }

  text(): string {
    return this.#bytes.toString('latin1', this.#at, this.#end);
  }

  copy(): Buffer {
    return Buffer.from(this.#bytes.subarray(this.#at, this.#end));
  }

  uint8(): number {
    this.skip(1);
    return this.#bytes[this.#at - 1] as number;
  }

  uint16(): number {
    this.skip(2);
    return ((this.#bytes[this.#at - 2] as number) << 8) | (this.#bytes[this.#at - 1] as number);
  }

  vector8(what: string, bytesMin: number, bytesMax: number): Fields {
    return this.#vector(what, this.uint8(), { bytesMin, bytesMax });
  }

  vector16(what: string, bytesMin: number): Fields {
    return this.#vector(what, this.uint16(), { bytesMin, bytesMax: 0xffff });
  }

  skip(count: number): void {
    if (count > this.length) throw new MalformedHello('ends too early');
    this.#at += count;
  }

  #vector(what: string, length: number, limits: { bytesMin: number; bytesMax: number }): Fields {
    if (length < limits.bytesMin || length > limits.bytesMax) {
      throw new MalformedHello(`${what} of ${length} bytes`);
    }
    const start = this.#at;
    this.skip(length);
    return new Fields(this.#bytes, start, this.#at);
  }
}
