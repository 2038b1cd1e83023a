import { ConfTokens } from '../connection/conf-tokens.ts';
import type { RunnerLimits } from '../manager-options.ts';
import { RunnerConnections } from '../connection/runner-connections.ts';

/** All that ends when a runner process ends. */
export class RunnerGeneration {
  readonly socketPath: string;
  readonly connections: RunnerConnections;
  readonly tokens: ConfTokens;
  ended = false;

  constructor(socketPath: string, limits: RunnerLimits) {
    this.socketPath = socketPath;
    this.connections = new RunnerConnections(socketPath, limits);
    this.tokens = new ConfTokens(limits);
  }

  end(): void {
    this.ended = true;
    this.connections.close('closed');
    this.tokens.clear();
  }
}
