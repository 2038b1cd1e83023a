import type { Logger } from '@polygate/plugin-sdk';
import {
  type ControlConnectRequest,
  type ControlConnectResponse,
  type ControlServiceServer,
  type Explain,
  type Hello,
  type ReloadPlugins,
  RPC_STATUS,
  type RpcStatus,
  type ServerDuplexStream,
} from '@polygate/rpc';
import { type Answered, OpenQuestions } from '../explain/open-questions.ts';
import { type DataPlane, newDataPlane, noteApplied, notePluginSet } from './data-plane-registry.ts';

type Stream = ServerDuplexStream<ControlConnectRequest, ControlConnectResponse>;

interface Connection {
  readonly stream: Stream;
  readonly dataPlane: DataPlane;
  readonly questions: OpenQuestions;
}

export interface ControlServiceOptions {
  readonly log: Logger;
  readonly dataPlanesMax?: number;
  /** How long a stream may stay open without saying whose it is. */
  readonly helloTimeoutMs?: number;
}

/**
 * The control side's end of `polygate.control.v1.ControlService`: knows which data planes are
 * connected and what they last reported, and tells them to reload plugins. A data plane is
 * forgotten when its stream ends.
 */
export class ControlService {
  readonly implementation: ControlServiceServer;
  readonly #log: Logger;
  readonly #dataPlanesMax: number;
  readonly #helloTimeoutMs: number;
  readonly #connections = new Map<string, Connection>();
  /** Streams that have not said hello. */
  readonly #strangers = new Set<Stream>();
  readonly #listeners = new Set<() => void>();
  #isTelling = false;
  #lastReload: ReloadPlugins | undefined;

  constructor({ log, dataPlanesMax = 1000, helloTimeoutMs = 10_000 }: ControlServiceOptions) {
    this.#log = log;
    this.#dataPlanesMax = dataPlanesMax;
    this.#helloTimeoutMs = helloTimeoutMs;
    this.implementation = { connect: (stream) => this.#accept(stream) };
  }

  /** In the order in which they connected. */
  list(): DataPlane[] {
    return Array.from(this.#connections.values(), ({ dataPlane }) => dataPlane);
  }

  /** Called soon after a data plane reported or went, until the function that is given back is. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** To all that are connected, and to each that connects from now on. */
  reloadPlugins(command: ReloadPlugins): void {
    this.#lastReload = command;
    const sent = { $case: 'reloadPlugins' as const, value: command };
    for (const { stream } of this.#connections.values()) this.#send(stream, sent);
  }

  /**
   * Asks one data plane, the one that connected first unless it is named, what would become of a
   * request. Undefined when it is not connected.
   */
  explain(
    question: Omit<Explain, 'questionId'>,
    { instanceId, timeoutMs }: { instanceId: string | undefined; timeoutMs: number },
  ): { readonly instanceId: string; readonly answered: Promise<Answered> } | undefined {
    const [connection] =
      instanceId === undefined
        ? this.#connections.values()
        : [this.#connections.get(instanceId)].values();
    if (connection === undefined) return undefined;
    const { stream, questions, dataPlane } = connection;
    const ask = (questionId: number): void =>
      this.#send(stream, { $case: 'explain', value: { ...question, questionId } });
    return { instanceId: dataPlane.instance_id, answered: questions.ask(ask, timeoutMs) };
  }

  /** Ends all streams; data planes dial again until someone answers. */
  close(): void {
    for (const { stream } of this.#connections.values()) stream.end();
    for (const stream of this.#strangers) stream.end();
  }

  #accept(stream: Stream): void {
    if (this.#connections.size + this.#strangers.size >= this.#dataPlanesMax) {
      fail(stream, 'RESOURCE_EXHAUSTED', `more than ${this.#dataPlanesMax} data planes`);
      return;
    }
    let connection: Connection | undefined;
    this.#strangers.add(stream);
    const timer = setTimeout(
      () => fail(stream, 'DEADLINE_EXCEEDED', 'no Hello came'),
      this.#helloTimeoutMs,
    );
    const leave = () => {
      clearTimeout(timer);
      this.#strangers.delete(stream);
      if (connection !== undefined) this.#forget(connection);
    };
    stream.on('data', (message: ControlConnectRequest) => {
      const { report } = message;
      if (connection !== undefined && report?.$case === 'explanation') {
        connection.questions.answer(report.value);
      } else if (connection !== undefined) {
        note(connection.dataPlane, report);
        this.#tellListeners();
      } else if (report?.$case === 'hello' && report.value.instanceId !== '') {
        clearTimeout(timer);
        this.#strangers.delete(stream);
        connection = this.#welcome(stream, report.value);
      } else {
        fail(stream, 'INVALID_ARGUMENT', 'the first message has to be a Hello with an instance_id');
      }
    });
    stream.on('end', () => {
      leave();
      stream.end();
    });
    stream.on('error', (error: Error) => {
      leave();
      this.#log.warn(`control stream: ${error.message}`);
    });
    stream.on('cancelled', leave);
  }

  #welcome(stream: Stream, hello: Hello): Connection {
    const questions = new OpenQuestions();
    const connection = { stream, dataPlane: newDataPlane(hello), questions };
    const { instance_id: id, hostname, version } = connection.dataPlane;
    const older = this.#connections.get(id);
    // the old stream may be one whose end nobody noticed
    if (older !== undefined) fail(older.stream, 'ABORTED', 'the data plane connected again');
    this.#connections.set(id, connection);
    this.#log.info(`data plane ${id} (${hostname}, ${version}) connected`);
    if (this.#lastReload !== undefined) {
      this.#send(stream, { $case: 'reloadPlugins', value: this.#lastReload });
    }
    return connection;
  }

  #forget(connection: Connection): void {
    const { instance_id: id } = connection.dataPlane;
    connection.questions.failAll('it disconnected');
    if (this.#connections.get(id) !== connection) return;
    this.#connections.delete(id);
    this.#log.info(`data plane ${id} disconnected`);
    this.#tellListeners();
  }

  /** Once for all that comes in one turn: many data planes report the same revision at once. */
  #tellListeners(): void {
    if (this.#isTelling || this.#listeners.size === 0) return;
    this.#isTelling = true;
    setImmediate(() => {
      this.#isTelling = false;
      for (const listener of [...this.#listeners]) listener();
    });
  }

  #send(stream: Stream, command: NonNullable<ControlConnectResponse['command']>): void {
    if (stream.destroyed || stream.writableEnded) return;
    const message: ControlConnectResponse = { command };
    // who does not read its commands is cut off, and gets the newest one when it dials again
    if (stream.writableNeedDrain) fail(stream, 'RESOURCE_EXHAUSTED', 'commands are not read');
    else stream.write(message);
  }
}

function note(dataPlane: DataPlane, report: ControlConnectRequest['report']): void {
  switch (report?.$case) {
    case 'applied':
      return noteApplied(dataPlane, report.value);
    case 'pluginSet':
      return notePluginSet(dataPlane, report.value);
    // a second Hello changes nothing; an unknown report is of a newer version
    case 'hello':
    case 'explanation':
    case undefined:
      return undefined;
  }
}

/** Ends the stream with a status other than OK. */
function fail(stream: Stream, status: RpcStatus, details: string): void {
  const { code } = RPC_STATUS[status];
  stream.emit('error', Object.assign(new Error(details), { code, details }));
}
