import { hostname } from 'node:os';
import type { Logger } from '@polygate/chassis';
import { connectControlService } from '@polygate/rpc';
import type { ControlConnectRequest, ControlConnectResponse, Explain } from '@polygate/rpc';
import type { RejectedItem } from '../config/config-state.ts';
import type { ExplainQuestion } from '../explain/question.ts';

const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_MAX = 15_000;

type Stream = ReturnType<ReturnType<typeof connectControlService>['connect']>;

/** What a data plane tells the control side. */
export interface DataPlaneReport {
  readonly revision: number;
  readonly rejected: readonly RejectedItem[];
  readonly pluginGeneration: number;
  readonly pluginNames: readonly string[];
}

export interface ControlLinkOptions {
  readonly address: string;
  readonly instanceId: string;
  readonly version: string;
  readonly log: Logger;
  readonly report: () => DataPlaneReport;
  /** The generation is the control side's; the names are the plugins to run. */
  readonly onReloadPlugins: (generation: number, names: readonly string[]) => void;
  /** Answers a JSON document. A rejection is told as the reason why there is none. */
  readonly onExplain: (question: ExplainQuestion) => Promise<string>;
}

/**
 * The stream to the control side: reports up, commands down. The data plane dials and redials; it
 * serves all the same while the control side is away.
 */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #client: ReturnType<typeof connectControlService>;
  #stream: Stream | undefined;
  #delayMs = RECONNECT_MS_MIN;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #wasConnected = false;
  #lastReport = '';

  constructor(options: ControlLinkOptions) {
    this.#options = options;
    this.#client = connectControlService({ address: options.address });
    this.#connect();
  }

  /** Sends what changed since the last report. */
  report(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const { revision, rejected, pluginGeneration, pluginNames } = this.#options.report();
    const text = JSON.stringify([revision, rejected, pluginGeneration, pluginNames]);
    if (text === this.#lastReport) return;
    this.#lastReport = text;
    stream.write({
      report: { $case: 'applied', value: { revision, rejected: [...rejected] } },
    } satisfies ControlConnectRequest);
    stream.write({
      report: {
        $case: 'pluginSet',
        value: { generation: pluginGeneration, names: [...pluginNames] },
      },
    } satisfies ControlConnectRequest);
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#client.close();
  }

  #connect(): void {
    const { instanceId, version, log, onReloadPlugins } = this.#options;
    const stream = this.#client.connect();
    this.#stream = stream;
    this.#lastReport = '';
    stream.write({
      report: { $case: 'hello', value: { instanceId, hostname: hostname(), version } },
    } satisfies ControlConnectRequest);
    this.report();
    stream.once('metadata', () => {
      this.#delayMs = RECONNECT_MS_MIN;
      this.#wasConnected = true;
      log.info(`connected to the control side at ${this.#options.address}`);
    });
    stream.on('data', ({ command }: ControlConnectResponse) => {
      if (command?.$case === 'reloadPlugins') {
        onReloadPlugins(command.value.generation, command.value.names);
      } else if (command?.$case === 'explain') {
        void this.#explain(command.value, stream);
      }
    });
    stream.on('error', (error: Error) => this.#onEnd(error.message));
    stream.once('end', () => this.#onEnd('ended by the control side'));
  }

  /** Never rejects. An answer that comes after the stream has ended is nobody's. */
  async #explain({ questionId, ...asked }: Explain, stream: Stream): Promise<void> {
    const outcome = await this.#options.onExplain(questionOf(asked)).then(
      (document) => ({ $case: 'document' as const, value: document }),
      (error: unknown) => ({
        $case: 'failure' as const,
        value: error instanceof Error ? error.message : String(error),
      }),
    );
    if (stream !== this.#stream) return;
    stream.write({
      report: { $case: 'explanation', value: { questionId, outcome } },
    } satisfies ControlConnectRequest);
  }

  #onEnd(reason: string): void {
    if (this.#closed || this.#stream === undefined) return;
    this.#stream = undefined;
    if (this.#wasConnected) this.#options.log.warn(`control side lost: ${reason}`);
    this.#wasConnected = false;
    const delay = this.#delayMs * (0.5 + Math.random() / 2);
    this.#delayMs = Math.min(this.#delayMs * 2, RECONNECT_MS_MAX);
    this.#timer = setTimeout(() => this.#connect(), delay);
  }
}

function questionOf(asked: Omit<Explain, 'questionId'>): ExplainQuestion {
  return {
    method: asked.method,
    target: asked.target,
    headers: asked.headers.map(({ name, value }) => [name, value] as const),
    clientAddress: asked.clientAddress,
    scheme: asked.scheme === 'https' ? 'https' : 'http',
    consumer: asked.consumer === '' ? undefined : asked.consumer,
    body: asked.body,
  };
}
