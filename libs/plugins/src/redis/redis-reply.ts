/** What Redis answers; null is its nil. */
export type RedisReply = string | number | null | RedisReplyError | readonly RedisReply[];

/**
 * An answer of Redis that is an error; the message is Redis's own, as `NOSCRIPT No matching
 * script.`
 */
export class RedisReplyError extends Error {
  /** The first word of the message. */
  readonly code: string;

  constructor(message: string) {
    super(message);
    this.code = message.split(' ', 1)[0] ?? '';
  }
}

/** Answers to our own scripts and to CLUSTER SLOTS; one that is larger is none. */
const BUFFERED_BYTES_MAX = 4 * 1024 * 1024;
const DEPTH_MAX = 8;
const LINE_BYTES_MAX = 64 * 1024;
const CR = 0x0d;
const EMPTY: Buffer = Buffer.alloc(0);

const INCOMPLETE = Symbol('incomplete');

/**
 * Takes the bytes of a connection apart: RESP2, which every Redis speaks until it is asked for
 * another.
 */
export class RedisReplyReader {
  #bytes = EMPTY;
  #at = 0;

  /**
   * The replies that are complete by now. Throws on bytes that are no RESP, and on too many of
   * them.
   */
  push(chunk: Buffer): RedisReply[] {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const replies: RedisReply[] = [];
    let end = 0;
    this.#at = 0;
    while (this.#at < this.#bytes.length) {
      const reply = this.#read(0);
      if (reply === INCOMPLETE) break;
      replies.push(reply);
      end = this.#at;
    }
    // a copy: a chunk may lie in a buffer that is read into again
    this.#bytes = end === this.#bytes.length ? EMPTY : Buffer.from(this.#bytes.subarray(end));
    if (this.#bytes.length > BUFFERED_BYTES_MAX) throw new Error('reply of Redis is too large');
    return replies;
  }

  #read(depth: number): RedisReply | typeof INCOMPLETE {
    const line = this.#line();
    if (line === INCOMPLETE) return INCOMPLETE;
    const rest = line.slice(1);
    switch (line[0]) {
      case '+':
        return rest;
      case '-':
        return new RedisReplyError(rest);
      case ':':
        return integer(rest);
      case '$':
        return this.#text(integer(rest));
      case '*':
        return this.#list(integer(rest), depth);
      default:
        throw new Error('malformed redis response');
    }
  }

  #line(): string | typeof INCOMPLETE {
    const end = this.#bytes.indexOf(CR, this.#at);
    if (end === -1 || end + 1 >= this.#bytes.length) {
      if (this.#bytes.length - this.#at > LINE_BYTES_MAX) {
        throw new Error('malformed redis response');
      }
      return INCOMPLETE;
    }
    const line = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return line;
  }

  #text(length: number): RedisReply | typeof INCOMPLETE {
    if (length === -1) return null;
    if (length > BUFFERED_BYTES_MAX) throw new Error('reply of Redis is too large');
    const end = this.#at + length;
    if (end + 2 > this.#bytes.length) return INCOMPLETE;
    const text = this.#bytes.toString('utf8', this.#at, end);
    this.#at = end + 2;
    return text;
  }

  #list(length: number, depth: number): RedisReply | typeof INCOMPLETE {
    if (length === -1) return null;
    if (depth >= DEPTH_MAX) throw new Error('malformed redis response');
    const list: RedisReply[] = [];
    for (let i = 0; i < length; i++) {
      const member = this.#read(depth + 1);
      if (member === INCOMPLETE) return INCOMPLETE;
      list.push(member);
    }
    return list;
  }
}

function integer(text: string): number {
  const value = Number(text);
  if (text === '' || !Number.isInteger(value) || value < -Number.MAX_SAFE_INTEGER) {
    throw new Error('malformed redis response');
  }
  return value;
}

/** A command in RESP; arguments as UTF-8. */
export function encodeRedisCommand(args: readonly (string | number)[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) {
    const value = String(arg);
    text += `$${Buffer.byteLength(value)}\r\n${value}\r\n`;
  }
  return text;
}
