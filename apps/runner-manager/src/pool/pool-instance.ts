import { ConfTokens } from '../connection/conf-tokens.ts';
import { RunnerConnections } from '../connection/runner-connections.ts';
import type { RunnerLimits } from '../manager-options.ts';
import type { RunnerInstance } from './runner-pool.ts';

export interface InstanceFacts {
  readonly index: number;
  readonly generation: number;
  readonly socketPath: string;
}

/** What a pool makes for each run of a process. */
export class PoolInstance implements RunnerInstance {
  readonly index: number;
  readonly generation: number;
  readonly socketPath: string;
  readonly connections: RunnerConnections;
  readonly tokens: ConfTokens;
  ended = false;
  callsInFlight = 0;
  calls = 0;

  constructor({ index, generation, socketPath }: InstanceFacts, limits: RunnerLimits) {
    this.index = index;
    this.generation = generation;
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
