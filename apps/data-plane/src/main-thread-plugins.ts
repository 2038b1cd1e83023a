import type { GatewayConfig } from '@polygate/chassis';
import { LogRotation, type RotationSettings } from './access-log/log-rotation.ts';
import type { PluginSelection } from './config/config-item.ts';
import { ServerInfoReport, type ServerInfoOptions } from './control-api/server-info.ts';
import type { ServerInfo } from './control-api/control-view.ts';

export interface MainThreadPluginsOptions extends Omit<ServerInfoOptions, 'config' | 'log'> {
  readonly config: GatewayConfig;
  readonly selection: () => PluginSelection;
  /** Those of the workers. */
  readonly reopenLogs: () => void;
  readonly log: { info(message: string): void; error(message: string): void };
}

const LOOK_MS = 1000;

/** What plugins do once a process, beside requests: server-info and log-rotate. */
export class MainThreadPlugins {
  readonly #options: MainThreadPluginsOptions;
  readonly #report: ServerInfoReport;
  readonly #rotation: LogRotation;
  #timer: NodeJS.Timeout | undefined;
  #isRotating = false;

  constructor(options: MainThreadPluginsOptions) {
    this.#options = options;
    this.#report = new ServerInfoReport(options);
    const { accessLog, errorLogFile } = options.config;
    const isFile = (file: string): boolean => !file.startsWith('/dev/');
    this.#rotation = new LogRotation({
      access: { file: accessLog.file, isOn: accessLog.enabled && isFile(accessLog.file) },
      error: {
        file: errorLogFile ?? '',
        isOn: errorLogFile !== undefined && isFile(errorLogFile),
      },
      reopen: () => {
        // whoever writes to these files in this process opens them anew at that signal
        if (!process.emit('SIGUSR1')) options.reopenLogs();
      },
      log: options.log,
    });
  }

  get serverInfo(): ServerInfo {
    return this.#report.current;
  }

  start(): void {
    this.#report.start();
    this.#timer = setInterval(() => this.#rotate(), LOOK_MS).unref();
  }

  stop(): void {
    this.#report.stop();
    clearInterval(this.#timer);
  }

  #rotate(): void {
    const { names, attr } = this.#options.selection();
    if (!names.includes('log-rotate')) {
      this.#rotation.forget();
      return;
    }
    if (this.#isRotating) return;
    this.#isRotating = true;
    void this.#rotation
      .look(settingsOf(attr['log-rotate'] ?? {}))
      .finally(() => (this.#isRotating = false));
  }
}

/** APISIX's defaults where the file says nothing, or no number. */
function settingsOf(attr: Readonly<Record<string, unknown>>): RotationSettings {
  const number = (name: string, fallback: number): number => {
    const value = attr[name];
    return typeof value === 'number' && Number.isFinite(value) ? value : fallback;
  };
  return {
    interval: Math.max(number('interval', 3600), 1),
    max_kept: Math.max(number('max_kept', 168), 0),
    max_size: number('max_size', -1),
    timeout: number('timeout', 10_000),
    enable_compression: attr['enable_compression'] === true,
  };
}
