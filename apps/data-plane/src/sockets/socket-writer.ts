import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

const SLAB_BYTES = 64 * 1024;
/** Up to here copying is cheaper than a vector of several buffers in one system call. */
const COPY_BYTES_MAX = 8 * 1024;
const GATHERED_BYTES_MAX = 16 * 1024;
/** What may wait in the process for a slow reader before the source is held back. */
export const WAITING_BYTES_MAX = 64 * 1024;

let slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
let slabUsed = 0;

/**
 * Writes to one socket with few system calls: what is small and of one turn of the event loop goes out
 * in one piece. Small pieces are copied into slabs that many connections share; a slab is never written
 * over, so nothing waits for the kernel.
 */
export class SocketWriter {
  readonly #socket: Socket;
  readonly #isTls: boolean;
  readonly #onDrained: () => void;
  #start = 0;
  #end = 0;
  #region: Buffer | undefined;
  #flushScheduled = false;
  #isBlocked = false;
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

  writeText(text: string): void {
    const { length } = text;
    this.bytesWritten += length;
    if (length > COPY_BYTES_MAX) {
      this.flush();
      this.#socket.write(text, 'latin1');
      return;
    }
    const region = this.#reserve(length);
    region.write(text, this.#end, 'latin1');
    this.#advance(length);
  }

  /** True: the memory is the caller's again. False: after `onDrained`. */
  writeBytes(chunk: Buffer): boolean {
    const { length } = chunk;
    this.bytesWritten += length;
    if (length > COPY_BYTES_MAX) return this.#writeLarge(chunk);
    const region = this.#reserve(length);
    region.set(chunk, this.#end);
    this.#advance(length);
    return this.#mayGoOn();
  }

  /** Sends what was gathered. */
  flush(): void {
    const region = this.#region;
    if (region === undefined) return;
    this.#region = undefined;
    this.#socket.write(region.subarray(this.#start, this.#end));
  }

  #writeLarge(chunk: Buffer): boolean {
    const socket = this.#socket;
    if (this.#region === undefined) {
      socket.write(chunk, this.#onTaken);
    } else {
      socket.cork();
      this.flush();
      socket.write(chunk, this.#onTaken);
      socket.uncork();
    }
    // TLS has encrypted the chunk by now. A plain socket whose kernel took all of it has no length.
    if (socket.writableLength <= (this.#isTls ? WAITING_BYTES_MAX : 0)) return true;
    this.#isBlocked = true;
    return false;
  }

  readonly #onTaken = (): void => {
    if (!this.#isBlocked || this.#socket.writableLength > 0) return;
    this.#isBlocked = false;
    this.#onDrained();
  };

  #mayGoOn(): boolean {
    if (!this.#socket.writableNeedDrain) return true;
    // That is a stream's own limit, too: it will tell by 'drain'.
    this.#isBlocked = true;
    return false;
  }

  /** A slab with room for that many bytes from `#end` on. */
  #reserve(length: number): Buffer {
    let region = this.#region;
    if (region !== undefined) {
      const isLastUser = region === slab && this.#end === slabUsed;
      if (isLastUser && this.#end + length <= SLAB_BYTES) return region;
      this.flush();
      region = undefined;
    }
    if (slabUsed + length > SLAB_BYTES) {
      slab = Buffer.allocUnsafeSlow(SLAB_BYTES);
      slabUsed = 0;
    }
    this.#region = slab;
    this.#start = slabUsed;
    this.#end = slabUsed;
    return slab;
  }

  #advance(length: number): void {
    this.#end += length;
    slabUsed = this.#end;
    if (this.#end - this.#start >= GATHERED_BYTES_MAX) {
      this.flush();
    } else if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(this.#flushLater);
    }
  }

  readonly #flushLater = (): void => {
    this.#flushScheduled = false;
    this.flush();
  };
}
