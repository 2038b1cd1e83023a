import { closeSync, constants, fstatSync, mkdirSync, openSync, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorMessage } from 'node:util';

const { O_APPEND, O_CREAT, O_NOCTTY, O_NONBLOCK, O_WRONLY } = constants;
// A FIFO without a reader is an error instead of a wait without end.
const OPEN_FLAGS = O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK;
const MODE = 0o644;

/** Opened by number: `/dev/stdout` cannot be opened by name where it is a socket, as under systemd. */
const STANDARD_STREAMS: ReadonlyMap<string, number> = new Map([
  ['/dev/stdout', 1],
  ['/dev/stderr', 2],
]);

/** POSIX: what several writers put into a pipe is not mixed up to this size (PIPE_BUF). */
const PIPE_BYTES_MAX = 4096;
const WAITING_CHARS_MAX = 4 * 1024 * 1024;
const OPEN_AGAIN_MS = 1000;
const WRITE_AGAIN_MS = 10;
const CLOSE_MS_MAX = 2000;
const NEWLINE = 10;
/** A disk that took this long once is not waited for again, for a while. */
const PROMPT_MS_MAX = 5;
const PROMPT_AGAIN_MS = 10_000;

export interface LineFileOptions {
  /** A path, `/dev/stdout` or `/dev/stderr`. */
  readonly path: string;
  /** Written when this much is waiting (characters, which for most logs are bytes) … */
  readonly bufferBytes: number;
  /** … and at the latest after this time. */
  readonly flushMs: number;
  /**
   * So many lines within `flushMs` are in the file when `write` returns: a quiet file is up to date, a
   * busy one is written in large pieces. Not for pipes, and not while the disk is slow.
   */
  readonly promptWritesMax: number;
  readonly makesFolder: boolean;
  /** Lines that wait while the disk does not take them; further ones are lost. Default 4 Mi. */
  readonly waitingCharsMax?: number;
  /** Gets a sentence when the file cannot be opened or written, and when lines were lost. */
  readonly onProblem: (message: string) => void;
}

interface WaitingLines {
  readonly text: string;
  readonly lines: number;
}

/**
 * Appends lines to a file. Under load writes run beside the event loop, one at a time. Each is of whole
 * lines and with O_APPEND, so that threads and processes that write to one file do not mix their
 * lines. Never throws; what cannot be written is counted and said once.
 */
export class LineFile {
  readonly #options: LineFileOptions;
  readonly #waitingMax: number;
  #fd: number | undefined;
  #isPipe = false;
  #openAgainAtMs = 0;
  #waiting = '';
  #waitingLines = 0;
  #isWriting = false;
  #promptLeft: number;
  #promptAgainAtMs = 0;
  #timer: NodeJS.Timeout | undefined;
  /** While a write is under way: what is still for the old file. */
  #reopening: WaitingLines | undefined;
  #isClosing = false;
  #onIdle: (() => void)[] = [];
  /** Not said yet. */
  #unreported = 0;
  #isFailing = false;
  #lostLines = 0;

  constructor(options: LineFileOptions) {
    this.#options = options;
    this.#waitingMax = options.waitingCharsMax ?? WAITING_CHARS_MAX;
    this.#promptLeft = options.promptWritesMax;
  }

  /** Since the start. */
  get lostLines(): number {
    return this.#lostLines;
  }

  /** `line` ends with a newline, or gets one. */
  write(line: string): void {
    if (this.#isClosing) return this.#lose(1);
    if (this.#waiting.length + line.length > this.#waitingMax) {
      const { path } = this.#options;
      return this.#lose(1, `${path}: lines come faster than they can be written and are lost`);
    }
    this.#waiting += inOnePiece(line);
    this.#waitingLines += 1;
    if (this.#waiting.length >= this.#options.bufferBytes) this.flush();
    else if (this.#timer === undefined || this.#promptLeft > 0) this.#schedule();
  }

  /** Begins to write what is waiting. */
  flush(): void {
    if (this.#isWriting) return;
    const { text, lines } = this.#takeWaiting();
    if (text !== '') this.#begin(text, lines);
  }

  /** Lets go of the file and opens the path anew, as after a rotation; what waits goes to the old one. */
  reopen(): void {
    this.flush();
    if (!this.#isWriting) return this.#openAnew();
    if (this.#reopening !== undefined) return;
    this.#reopening = this.#takeWaiting();
  }

  /** Writes what is waiting, within two seconds, and closes the file. No line may follow. */
  async close(): Promise<void> {
    this.#isClosing = true;
    clearTimeout(this.#timer);
    this.flush();
    if (this.#isWriting) {
      const limit = Promise.withResolvers<undefined>();
      const timer = setTimeout(limit.resolve, CLOSE_MS_MAX, undefined);
      await Promise.race([new Promise<void>((idle) => this.#onIdle.push(idle)), limit.promise]);
      clearTimeout(timer);
    }
    // a write that still hangs needs the descriptor: it is closed when that ends
    if (!this.#isWriting) this.#closeFd();
  }

  #schedule(): void {
    if (this.#promptLeft > 0 && !this.#isWriting) {
      this.#promptLeft -= 1;
      this.#writeNow();
    }
    this.#timer ??= setTimeout(this.#flushLate, this.#options.flushMs).unref();
  }

  readonly #flushLate = (): void => {
    this.#timer = undefined;
    if (performance.now() >= this.#promptAgainAtMs)
      this.#promptLeft = this.#options.promptWritesMax;
    this.flush();
  };

  #writeNow(): void {
    const { text, lines } = this.#takeWaiting();
    const fd = this.#open();
    if (fd === undefined) return this.#lose(lines);
    const bytes = Buffer.from(text);
    this.#isWriting = true;
    if (this.#isPipe) return this.#writeOut(fd, bytes, lines);
    const startMs = performance.now();
    try {
      const written = writeSync(fd, bytes);
      if (written < bytes.length) return this.#writeOut(fd, bytes.subarray(written), lines);
      this.#isFailing = false;
    } catch (error) {
      this.#loseWritten(lines, error);
    }
    const endMs = performance.now();
    if (endMs - startMs > PROMPT_MS_MAX) {
      this.#promptLeft = 0;
      this.#promptAgainAtMs = endMs + PROMPT_AGAIN_MS;
    }
    this.#settle();
  }

  #takeWaiting(): WaitingLines {
    const taken = { text: this.#waiting, lines: this.#waitingLines };
    this.#waiting = '';
    this.#waitingLines = 0;
    return taken;
  }

  #begin(text: string, lines: number): void {
    const fd = this.#open();
    if (fd === undefined) return this.#lose(lines);
    this.#isWriting = true;
    this.#writeOut(fd, Buffer.from(text), lines);
  }

  #openAnew(): void {
    this.#closeFd();
    this.#openAgainAtMs = 0;
    this.#open();
  }

  #writeOut(fd: number, bytes: Buffer, lines: number): void {
    const length = this.#isPipe ? wholeLinesLength(bytes) : bytes.length;
    write(fd, bytes, 0, length, null, (error, written) => {
      if (error?.code === 'EAGAIN') {
        setTimeout(() => this.#writeOut(fd, bytes, lines), WRITE_AGAIN_MS).unref();
      } else if (error !== null) {
        this.#loseWritten(lines, error);
        this.#settle();
      } else if (written < bytes.length) {
        this.#writeOut(fd, bytes.subarray(written), lines);
      } else {
        this.#isFailing = false;
        this.#settle();
      }
    });
  }

  /** After a write. */
  #settle(): void {
    this.#isWriting = false;
    this.#reportLost();
    if (this.#reopening !== undefined) {
      const { text, lines } = this.#reopening;
      this.#reopening = { text: '', lines: 0 };
      if (text !== '') return this.#begin(text, lines);
      this.#reopening = undefined;
      this.#openAnew();
    }
    if (this.#isClosing || this.#waiting.length >= this.#options.bufferBytes) this.flush();
    else if (this.#waiting !== '') this.#schedule();
    if (this.#isWriting) return;
    for (const idle of this.#onIdle.splice(0)) idle();
    if (this.#isClosing) this.#closeFd();
  }

  #open(): number | undefined {
    if (this.#fd !== undefined) return this.#fd;
    const { path, makesFolder, onProblem } = this.#options;
    const nowMs = performance.now();
    if (nowMs < this.#openAgainAtMs) return undefined;
    try {
      const standard = STANDARD_STREAMS.get(path);
      if (makesFolder && standard === undefined) mkdirSync(dirname(path), { recursive: true });
      this.#fd = standard ?? openSync(path, OPEN_FLAGS, MODE);
      this.#isPipe = !fstatSync(this.#fd).isFile();
    } catch (error) {
      this.#openAgainAtMs = nowMs + OPEN_AGAIN_MS;
      onProblem(`failed to open file: ${path}, error info: ${path}: ${reasonOf(error)}`);
    }
    return this.#fd;
  }

  #closeFd(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined && !STANDARD_STREAMS.has(this.#options.path)) closeSync(fd);
  }

  #loseWritten(lines: number, error: unknown): void {
    const { path } = this.#options;
    this.#lose(lines, `failed to write file: ${path}, error info: ${reasonOf(error)}`);
  }

  #lose(lines: number, why?: string): void {
    this.#lostLines += lines;
    this.#unreported += lines;
    if (why === undefined || this.#isFailing) return;
    this.#isFailing = true;
    this.#options.onProblem(why);
  }

  #reportLost(): void {
    if (this.#unreported === 0 || this.#isFailing) return;
    const { path, onProblem } = this.#options;
    onProblem(`${path}: ${this.#unreported} lines were lost`);
    this.#unreported = 0;
  }
}

/**
 * The line as one text. V8 keeps a text that was put together as references to its parts, some 40 of them
 * for a log entry: while many such wait, the collector follows them all, and when they are written no
 * cache holds them any more. Looking at a character puts them together now, at half the cost.
 */
function inOnePiece(line: string): string {
  return line.charCodeAt(line.length - 1) === NEWLINE ? line : `${line}\n`;
}

/** Up to the last line that ends within a pipe's limit; a longer first line is taken alone. */
function wholeLinesLength(bytes: Buffer): number {
  if (bytes.length <= PIPE_BYTES_MAX) return bytes.length;
  const end = bytes.lastIndexOf(NEWLINE, PIPE_BYTES_MAX - 1);
  return end === -1 ? bytes.indexOf(NEWLINE) + 1 : end + 1;
}

/** As strerror has it: `No such file or directory`. */
function reasonOf(error: unknown): string {
  const { errno, message } = error as NodeJS.ErrnoException;
  if (errno === undefined) return message;
  const text = getSystemErrorMessage(errno);
  return text.charAt(0).toUpperCase() + text.slice(1);
}
