import { hostname } from 'node:os';
import type { Logger } from '@polygate/chassis';
import { connectControlService } from '@polygate/rpc';
import type { ControlConnectRequest, ControlConnectResponse } from '@polygate/rpc';
import type { RejectedItem } from '../config/config-state.ts';

const RECONNECT_MS_MIN = 500;
const RECONNECT_MS_MAX = 15_000;

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
}

/**
 * The stream to the control side: reports up, commands down. The data plane dials and redials; it
 * serves all the same while the control side is away.
 */
export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #client: ReturnType<typeof connectControlService>;
  #stream: ReturnType<ReturnType<typeof connectControlService>['connect']> | undefined;
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
      }
    });
    stream.on('error', (error: Error) => this.#onEnd(error.message));
    stream.once('end', () => this.#onEnd('ended by the control side'));
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
