import type { FileHandle } from 'node:fs/promises';
import type { ReplySink, ReplyStream } from '@polygate/plugin-sdk';

/** What stands before the body in a file of the cache. */
export interface DiskHead {
  readonly key: string;
  readonly status: number;
  /** Alternating names and values. */
  readonly headers: readonly string[];
  /** Milliseconds since the epoch. */
  readonly keptUntilMs: number;
  /** Headers of requests that the answer goes by. */
  readonly vary: readonly string[];
  readonly variant: string;
  /** Variants belong to the first answer at a key; purging it leaves them without a way to them. */
  readonly generation: string;
}

const MAGIC = Buffer.from('polygate-cache-1\n');
const PREFIX_BYTES = MAGIC.length + 4;
/** Headers of an answer and a key are bounded elsewhere, and much smaller. */
const HEAD_BYTES_MAX = 1024 * 1024;
const CHUNK_BYTES = 64 * 1024;

export function encodeHead(head: DiskHead): Buffer {
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  return Buffer.concat([MAGIC, length, json]);
}

/** Undefined where the file is none of ours, or damaged. */
export async function readHead(
  file: FileHandle,
): Promise<{ head: DiskHead; bodyAt: number } | undefined> {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  const { bytesRead } = await file.read(prefix, 0, PREFIX_BYTES, 0);
  if (bytesRead < PREFIX_BYTES || !prefix.subarray(0, MAGIC.length).equals(MAGIC)) return undefined;
  const length = prefix.readUInt32LE(MAGIC.length);
  if (length > HEAD_BYTES_MAX) return undefined;
  const json = Buffer.alloc(length);
  if ((await file.read(json, 0, length, PREFIX_BYTES)).bytesRead < length) return undefined;
  try {
    return { head: JSON.parse(json.toString()) as DiskHead, bodyAt: PREFIX_BYTES + length };
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Part of a file as the body of an answer; closes the file in any case. */
export class FileStream implements ReplyStream {
  readonly bytes: number;
  readonly #file: FileHandle;
  #position: number;
  readonly #end: number;
  readonly #buffer: Buffer;
  #sink: ReplySink | undefined;
  #isReading = false;
  #isOver = false;

  constructor(file: FileHandle, start: number, bytes: number) {
    this.#file = file;
    this.#position = start;
    this.#end = start + bytes;
    this.bytes = bytes;
    this.#buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(1, bytes)));
  }

  start(sink: ReplySink): void {
    this.#sink = sink;
    this.resume();
  }

  resume(): void {
    if (this.#isReading || this.#isOver || this.#sink === undefined) return;
    this.#isReading = true;
    this.#copy(this.#sink).then(
      () => void (this.#isReading = false),
      (error: unknown) => {
        this.#isReading = false;
        this.#close();
        this.#sink?.fail(error instanceof Error ? error : new Error(String(error)));
      },
    );
  }

  cancel(): void {
    this.#sink = undefined;
    this.#close();
  }

  /** Until the client is full, or there is no more. */
  async #copy(sink: ReplySink): Promise<void> {
    while (this.#position < this.#end && !this.#isOver) {
      const length = Math.min(this.#buffer.length, this.#end - this.#position);
      const { bytesRead } = await this.#file.read(this.#buffer, 0, length, this.#position);
      if (this.#isOver) return;
      if (bytesRead === 0) throw new Error('a file of the cache is shorter than it was');
      this.#position += bytesRead;
      if (!sink.write(this.#buffer.subarray(0, bytesRead))) return;
    }
    if (this.#isOver) return;
    this.#close();
    sink.end();
  }

  #close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // nothing is lost with a handle that was read from
    this.#file.close().catch(() => undefined);
  }
}
