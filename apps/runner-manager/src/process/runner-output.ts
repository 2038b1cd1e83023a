import type { Readable } from 'node:stream';

export interface RunnerOutputOptions {
  readonly lineBytesMax: number;
  readonly linesPerSecondMax: number;
  readonly write: (line: string, isError: boolean) => void;
}

const NEWLINE = 0x0a;

/**
 * Writes what a runner prints, line by line. A longer line comes in pieces; lines above the rate
 * are counted and left out, so that a runner in a loop cannot fill the disk.
 */
export class RunnerOutput {
  readonly #options: RunnerOutputOptions;
  #second = 0;
  #linesInSecond = 0;
  #droppedLines = 0;

  constructor(options: RunnerOutputOptions) {
    this.#options = options;
  }

  follow(stream: Readable, isError: boolean): void {
    let rest: Buffer = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      rest = this.#takeLines(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), isError);
    });
    const finish = (): void => {
      this.#line(rest, isError);
      rest = Buffer.alloc(0);
    };
    stream.on('end', finish);
    // A pipe that breaks has nothing more to say; the exit is reported elsewhere.
    stream.on('error', finish);
  }

  /** Returns the bytes of the unfinished line, fewer than `lineBytesMax`. */
  #takeLines(bytes: Buffer, isError: boolean): Buffer {
    const { lineBytesMax } = this.#options;
    let start = 0;
    while (start < bytes.length) {
      const newline = bytes.indexOf(NEWLINE, start);
      const lineEnd = newline === -1 ? bytes.length : newline;
      if (lineEnd - start > lineBytesMax) {
        this.#line(bytes.subarray(start, start + lineBytesMax), isError);
        start += lineBytesMax;
        continue;
      }
      if (newline === -1) break;
      this.#line(bytes.subarray(start, newline), isError);
      start = newline + 1;
    }
    return Buffer.from(bytes.subarray(start));
  }

  #line(bytes: Buffer, isError: boolean): void {
    if (bytes.length === 0) return;
    const second = Math.floor(Date.now() / 1000);
    if (second !== this.#second) this.#startSecond(second);
    if (this.#linesInSecond >= this.#options.linesPerSecondMax) {
      this.#droppedLines += 1;
      return;
    }
    this.#linesInSecond += 1;
    this.#options.write(escapeControls(bytes.toString('utf8')), isError);
  }

  #startSecond(second: number): void {
    this.#second = second;
    this.#linesInSecond = 0;
    if (this.#droppedLines === 0) return;
    this.#options.write(`left out ${this.#droppedLines} lines that came too fast`, true);
    this.#droppedLines = 0;
  }
}

/** A runner must not be able to forge lines or move the cursor of whoever reads the log. */
function escapeControls(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (control) => {
    if (control === '\r') return '';
    return `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
