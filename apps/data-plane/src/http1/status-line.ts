import { CR, FIELD_VALUE, LF, SP } from './byte-class.ts';
import { Http1Error } from './http1-error.ts';

const HTTP1 = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e];
/** Of the minor version's digit, the space behind it, and the three digits of the status. */
const MINOR_AT = 7;
const STATUS_AT = 9;
const STATUS_END = 12;
const STATUS_MIN = 100;

/** What the next byte belongs to; below `STATUS_END` it is the position in the line. */
const AFTER_STATUS = 12;
const IN_REASON = 13;
const LINE_END = 14;

/** `HTTP/1.x SP status [SP reason] CRLF`, read on from any byte. */
export class StatusLine {
  status = 0;
  minorVersion: 0 | 1 = 1;
  #state = 0;

  reset(): void {
    this.#state = 0;
    this.status = 0;
  }

  /** Reads buffer[from..end): the offset behind the line, or -1 when all was read before its end. */
  scan(buffer: Buffer, from: number, end: number): number {
    let p = from;
    let state = this.#state;
    while (state < STATUS_END && p < end) this.#takeByte(state++, buffer[p++] as number);
    if (state === AFTER_STATUS && p < end) {
      if (this.status < STATUS_MIN) throw new Http1Error(400, 'status is invalid');
      const byte = buffer[p++];
      if (byte !== SP && byte !== CR) throw new Http1Error(400, 'status is invalid');
      state = byte === SP ? IN_REASON : LINE_END;
    }
    if (state === IN_REASON) {
      while (p < end && FIELD_VALUE[buffer[p] as number] === 1) p++;
      if (p < end) {
        if (buffer[p] !== CR) throw new Http1Error(400, 'control character in the reason');
        p++;
        state = LINE_END;
      }
    }
    this.#state = state;
    if (state !== LINE_END || p === end) return -1;
    if (buffer[p] !== LF) throw new Http1Error(400, 'CR without LF');
    return p + 1;
  }

  #takeByte(at: number, byte: number): void {
    const digit = byte - 0x30;
    if (at < MINOR_AT) {
      if (byte !== HTTP1[at]) throw new Http1Error(400, 'no HTTP/1 response');
    } else if (at === MINOR_AT) {
      if (digit !== 0 && digit !== 1) throw new Http1Error(400, 'HTTP version is not supported');
      this.minorVersion = digit;
    } else if (at < STATUS_AT) {
      if (byte !== SP) throw new Http1Error(400, 'HTTP version is not supported');
    } else {
      if (digit < 0 || digit > 9) throw new Http1Error(400, 'status is invalid');
      this.status = this.status * 10 + digit;
    }
  }
}
