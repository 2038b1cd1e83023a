import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

const SLAB_BYTES = 64 * 1024;
/** Up to here copying is cheaper than a vector of several buffers in one system call. */
const COPY_BYTES_MAX = 8 * 1024;
const GATHERED_BYTES_MAX = 16 * 1024;
/** What may wait in the process for a slow reader before the source is held back. */
export const WAITING_BYTES_MAX = 64 * 1024;

/** Memory where small pieces of several connections are put together. */
class Slab {
  readonly bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
  used = 0;
  /** Regions that are being filled. */
  open = 0;
}

/**
 * The slab of this thread. Used from the start again as soon as the kernel has taken everything, so that
 * it stays in the processor's cache.
 */
let current = new Slab();

/**
 * Writes to one socket with few system calls: what is small and of one turn of the event loop goes out
 * in one piece.
 */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #isTls: boolean;
  readonly #onDrained: () => void;
  /** Gathered, behind what is in the region. Latin-1. */
  #text = '';
  #region: Slab | undefined = undefined;
  #start = 0;
  #end = 0;
  #flushScheduled = false;
  #isBlocked = false;
  #unsentBytes = 0;
  /** Handed over, whether or not the kernel took it. */
  bytesWritten = 0;

  /** `onDrained` is called after a `write…` that answered false, once the socket takes more. */
  constructor(socket: Socket, onDrained: () => void) {
    this.#socket = socket;
    this.#isTls = socket instanceof TLSSocket;
    this.#onDrained = onDrained;
    socket.on('drain', this.#onTaken);
  }

  /** Whether a `write…` answered false and `onDrained` has not been called since. */
  get isBlocked(): boolean {
    return this.#isBlocked;
  }

  /** More waits than should, also of `writeText`: `onDrained` will be called. */
  get isFull(): boolean {
    this.#isBlocked ||= this.#socket.writableNeedDrain;
    return this.#isBlocked;
  }

  /** Whether the other side has taken some of what waits for it since the last look. */
  hasProgressed(): boolean {
    const { _handle } = this.#socket as unknown as { _handle: { writeQueueSize?: number } | null };
    const unsent = _handle?.writeQueueSize ?? 0;
    const hasProgressed = unsent !== this.#unsentBytes;
    this.#unsentBytes = unsent;
    return hasProgressed;
  }

  writeText(text: string): void {
    this.bytesWritten += text.length;
    this.#text = this.#text === '' ? text : this.#text + text;
    if (this.#text.length > COPY_BYTES_MAX) this.flush();
    else this.#flushSoon();
  }

  /** True: the memory is the caller's again. False: after `onDrained`. */
  writeBytes(chunk: Buffer): boolean {
    const { length } = chunk;
    this.bytesWritten += length;
    if (length > COPY_BYTES_MAX) return this.#writeLarge(chunk);
    this.#reserve(this.#text.length + length);
    this.#moveText();
    const region = this.#region as Slab;
    region.bytes.set(chunk, this.#end);
    this.#end += length;
    region.used = this.#end;
    if (this.#end - this.#start >= GATHERED_BYTES_MAX) this.flush();
    else this.#flushSoon();
    // That is a stream's own limit, too: it will tell by 'drain'.
    this.#isBlocked ||= this.#socket.writableNeedDrain;
    return !this.#isBlocked;
  }

  /** Sends what was gathered. */
  flush(): void {
    const region = this.#region;
    if (region === undefined) {
      const text = this.#text;
      if (text === '') return;
      this.#text = '';
      this.#socket.write(text, 'latin1');
      return;
    }
    this.#socket.write(this.#own(this.#takeGathered(region)));
    this.#close(region);
  }

  #writeLarge(chunk: Buffer): boolean {
    const socket = this.#socket;
    const region = this.#region;
    const own = this.#own(chunk);
    socket.cork();
    if (region === undefined) this.flush();
    else socket.write(this.#own(this.#takeGathered(region)));
    socket.write(own, this.#onTaken);
    socket.uncork();
    if (region !== undefined) this.#close(region);
    // A plain socket whose kernel took all of it has no length.
    if (socket.writableLength <= (this.#isTls ? WAITING_BYTES_MAX : 0)) return true;
    this.#isBlocked = true;
    return false;
  }

  /**
   * TLS encrypts at once what it is given while nothing waits, and keeps what it is given after that
   * until later: then it needs memory of its own.
   */
  #own(bytes: Buffer): Buffer {
    return this.#isTls && this.#socket.writableLength > 0 ? Buffer.from(bytes) : bytes;
  }

  readonly #onTaken = (): void => {
    if (!this.#isBlocked || this.#socket.writableLength > 0) return;
    this.#isBlocked = false;
    this.#onDrained();
  };

  /** Makes room for that many bytes behind what was gathered. */
  #reserve(length: number): void {
    if (this.#region !== undefined) {
      if (this.#mayExtend(this.#region, length)) return;
      this.flush();
    }
    if (current.used + length > SLAB_BYTES) current = new Slab();
    this.#region = current;
    this.#start = current.used;
    this.#end = current.used;
    current.open += 1;
  }

  #mayExtend(region: Slab, length: number): boolean {
    return region === current && this.#end === region.used && this.#end + length <= SLAB_BYTES;
  }

  #moveText(): void {
    const text = this.#text;
    const region = this.#region as Slab;
    if (text === '') return;
    this.#text = '';
    region.bytes.write(text, this.#end, 'latin1');
    this.#end += text.length;
    region.used = this.#end;
  }

  /** What was gathered, text included. `#close` has to follow when it is written. */
  #takeGathered(region: Slab): Buffer {
    if (this.#mayExtend(region, this.#text.length)) this.#moveText();
    this.#region = undefined;
    const gathered = region.bytes.subarray(this.#start, this.#end);
    if (this.#text === '') return gathered;
    const rest = Buffer.from(this.#text, 'latin1');
    this.#text = '';
    return Buffer.concat([gathered, rest]);
  }

  #close(region: Slab): void {
    region.open -= 1;
    if (region !== current) return;
    // What the kernel has not taken it reads later: nobody may write there again.
    if (!this.#isTls && this.#socket.writableLength > 0) current = new Slab();
    else if (region.open === 0) region.used = 0;
  }

  #flushSoon(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(this.#flushLater);
  }

  readonly #flushLater = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };
}
