import type { TextEntry } from '@polygate/runner-protocol';

/** One call of a recording, as `POST /apisix/admin/polygate/runners/{name}/record` writes it. */
export interface RecordedCall {
  readonly conf: { readonly key: string; readonly plugins: readonly TextEntry[] };
  /** Empty: it went well. */
  readonly failure: string;
  readonly frames: readonly RecordedFrame[];
}

export interface RecordedFrame {
  /** True: to the runner. */
  readonly isSent: boolean;
  /** With its header. */
  readonly bytes: Buffer;
}

/** @throws {Error} that names the line. */
export function readRecording(text: string): RecordedCall[] {
  return text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return [];
    try {
      const value = JSON.parse(line) as unknown;
      // What a manager said that went away meanwhile is no call.
      return isObject(value) && 'error_msg' in value ? [] : [readCall(value)];
    } catch (error) {
      throw new Error(`line ${i + 1} is no recorded call: ${(error as Error).message}`, {
        cause: error,
      });
    }
  });
}

function readCall(value: unknown): RecordedCall {
  if (!isObject(value)) throw new Error('not an object');
  const { conf, failure, frames } = value;
  if (!isObject(conf) || typeof conf['key'] !== 'string' || !Array.isArray(conf['plugins'])) {
    throw new Error('it has no conf');
  }
  if (!Array.isArray(frames) || frames.length === 0) throw new Error('it has no frames');
  return {
    conf: { key: conf['key'], plugins: conf['plugins'].map(readEntry) },
    failure: typeof failure === 'string' ? failure : '',
    frames: frames.map(readFrame),
  };
}

function readEntry(value: unknown): TextEntry {
  if (isObject(value)) {
    const { name, value: text } = value;
    if (typeof name === 'string' && typeof text === 'string') return { name, value: text };
  }
  throw new Error('a plugin of its conf has no name or value');
}

function readFrame(value: unknown): RecordedFrame {
  if (isObject(value)) {
    const { is_sent: isSent, frame } = value;
    if (typeof isSent === 'boolean' && typeof frame === 'string') {
      return { isSent, bytes: Buffer.from(frame, 'base64') };
    }
  }
  throw new Error('a frame is malformed');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
