import * as http from 'node:http';
import * as http2 from 'node:http2';
import * as https from 'node:https';
import type { Writable } from 'node:stream';
import { HOP_BY_HOP } from '@polygate/plugin-sdk';
import type { BodyObserver, HeaderList, Logger } from '@polygate/plugin-sdk';
import { httpUrlOf } from './proxy-mirror.schema.ts';

export interface MirrorTimeouts {
  readonly connectMs: number;
  readonly sendMs: number;
  readonly readMs: number;
}

export interface MirrorRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly host: string;
  readonly headers: HeaderList;
  readonly hasBody: boolean;
}

/** Where copies go of what a request sends; nothing comes back. */
export interface MirroredRequest extends BodyObserver {
  /** The request is over: what is not sent by now will not be. */
  stop(): void;
}

/** Of one thread: a mirror that hangs must not hold memory without end. */
const IN_FLIGHT_MAX = 512;
/** Of a body that the mirror is slow to take. */
const PENDING_BYTES_MAX = 1024 * 1024;
const NOT_COPIED: ReadonlySet<string> = new Set([...HOP_BY_HOP, 'expect', 'host']);

let inFlight = 0;

/** Sends copies of requests. Never throws, never waits: what the mirror does not take is left out. */
export class MirrorClient {
  readonly #url: URL;
  readonly #timeouts: MirrorTimeouts;
  readonly #log: Logger;
  #session: http2.ClientHttp2Session | undefined;

  constructor(host: string, timeouts: MirrorTimeouts, log: Logger) {
    this.#url = new URL(httpUrlOf(host));
    this.#timeouts = timeouts;
    this.#log = log;
  }

  /** Undefined: there are too many under way. */
  send(request: MirrorRequest, isGrpc: boolean): MirroredRequest | undefined {
    if (inFlight >= IN_FLIGHT_MAX) {
      this.#log.warn(`a request is not mirrored: ${IN_FLIGHT_MAX} are under way`);
      return undefined;
    }
    try {
      return isGrpc ? this.#sendHttp2(request) : this.#sendHttp1(request);
    } catch (error) {
      this.#log.warn(`a request is not mirrored: ${String(error)}`);
      return undefined;
    }
  }

  close(): void {
    this.#session?.close();
  }

  #sendHttp1({ method, target, host, headers, hasBody }: MirrorRequest): MirroredRequest {
    const isTls = this.#url.protocol === 'https:';
    const fields = fieldsOf(headers, hasBody);
    const options: https.RequestOptions = {
      method,
      path: target,
      agent: false,
      headers: { ...fields, Host: host === '' ? this.#url.host : host, Connection: 'close' },
      // nginx does not verify upstreams either, unless it is told to
      ...(isTls && { rejectUnauthorized: false }),
    };
    const request = (isTls ? https : http).request(this.#url, options);
    request.on('response', (response) => response.resume());
    const { connectMs, readMs } = this.#timeouts;
    request.on('socket', (socket) => {
      socket.setTimeout(connectMs);
      socket.once(isTls ? 'secureConnect' : 'connect', () => socket.setTimeout(readMs));
      socket.on('timeout', () => request.destroy(new Error('timeout')));
    });
    return this.#follow(request, hasBody);
  }

  #sendHttp2({ method, target, host, headers, hasBody }: MirrorRequest): MirroredRequest {
    const session = this.#openSession();
    const fields = { ...fieldsOf(headers, false), te: 'trailers' };
    const stream = session.request(
      {
        ...fields,
        ':method': method,
        ':path': target,
        ':authority': host === '' ? this.#url.host : host,
      },
      { endStream: !hasBody },
    );
    stream.setTimeout(this.#timeouts.readMs, () => stream.close(http2.constants.NGHTTP2_CANCEL));
    stream.resume();
    return this.#follow(stream, hasBody);
  }

  #openSession(): http2.ClientHttp2Session {
    const known = this.#session;
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = http2.connect(this.#url, { rejectUnauthorized: false });
    // who is connected to the mirror must not keep the process alive
    session.unref();
    session.on('error', (error) => this.#log.warn(`the mirror failed: ${error.message}`));
    this.#session = session;
    return session;
  }

  #follow(stream: Writable, hasBody: boolean): MirroredRequest {
    inFlight += 1;
    let isOver = false;
    let isSent = !hasBody;
    const timer = setTimeout(() => !isSent && stream.destroy(), this.#timeouts.sendMs);
    timer.unref();
    stream.on('error', (error) => this.#log.info(`a mirrored request failed: ${error.message}`));
    stream.once('close', () => {
      clearTimeout(timer);
      isOver = true;
      inFlight -= 1;
    });
    if (!hasBody) stream.end();
    return {
      onChunk(chunk) {
        if (isOver || isSent) return;
        // the memory is somebody else's once this returns
        stream.write(Buffer.from(chunk));
        if (stream.writableLength > PENDING_BYTES_MAX) stream.destroy(new Error('it is too slow'));
      },
      onEnd() {
        if (isOver || isSent) return;
        isSent = true;
        stream.end();
      },
      onCut: () => void stream.destroy(),
      stop: () => {
        if (!isSent) stream.destroy();
      },
    };
  }
}

/** Chunks say the same of a body whose length is not known; `hasLength`: whether one is wanted. */
function fieldsOf(headers: HeaderList, hasLength: boolean): Record<string, string | string[]> {
  const fields: Record<string, string | string[]> = {};
  headers.forEach((name, _value, lower) => {
    if (NOT_COPIED.has(lower) || (lower === 'content-length' && !hasLength)) return;
    const values = headers.getAll(lower);
    fields[name] = values.length === 1 ? (values[0] as string) : values;
  });
  return fields;
}
