import {
  connectRunnerService,
  RpcError,
  type ClientTls,
  type ListRunnersResponse,
  type RecordCallsRequest,
  type RestartRunnerResponse,
  type Runner,
  type RunnerServiceClient,
} from '@polygate/rpc';

type UnaryCall = ReturnType<RunnerServiceClient['listRunners']>;
export type LogStream = ReturnType<RunnerServiceClient['watchRunnerLog']>;
export type RecordStream = ReturnType<RunnerServiceClient['recordCalls']>;

/** What one manager answered. */
export interface FromManager<T> {
  /** Its address. */
  readonly manager: string;
  readonly value: T;
}

export interface ManagerFailure {
  readonly manager: string;
  readonly error: RpcError;
}

/** What all managers answered. */
export interface Gathered<T> {
  readonly answers: readonly FromManager<T>[];
  readonly failures: readonly ManagerFailure[];
}

interface Manager {
  readonly address: string;
  readonly client: RunnerServiceClient;
}

const LIST_TIMEOUT_MS = 3000;
/** A new generation has its start time, and all confs to take over. */
const RESTART_TIMEOUT_MS = 120_000;

/** The runner managers of the configuration, as their client. */
export class RunnerManagers {
  readonly #addresses: readonly string[];
  readonly #tls: ClientTls | undefined;
  readonly #streams = new Set<LogStream | RecordStream>();
  /** Made when they are first asked. */
  readonly #managers = new Map<string, Manager>();

  /** @param addresses `unix:/path` or `host:port` each. */
  constructor(addresses: readonly string[], tls?: ClientTls) {
    this.#addresses = addresses;
    this.#tls = tls;
  }

  /** Never rejects. */
  async listRunners(): Promise<Gathered<readonly Runner[]>> {
    const asked = await this.#askAll<ListRunnersResponse>(
      this.#addresses,
      LIST_TIMEOUT_MS,
      (client, callback) => client.listRunners({}, callback),
    );
    const answers = asked.answers.map(({ manager, value }) => ({ manager, value: value.runners }));
    return { answers, failures: asked.failures };
  }

  /** Resolves to the new generations' numbers. Never rejects. */
  async restartRunner(managers: readonly string[], name: string): Promise<Gathered<number>> {
    const asked = await this.#askAll<RestartRunnerResponse>(
      managers,
      RESTART_TIMEOUT_MS,
      (client, callback) => client.restartRunner({ name }, callback),
    );
    const answers = asked.answers.map(({ manager, value }) => ({
      manager,
      value: value.generation,
    }));
    return { answers, failures: asked.failures };
  }

  watchLog(manager: string, name: string): LogStream {
    return this.#track(this.#of(manager).client.watchRunnerLog({ name }));
  }

  recordCalls(manager: string, request: RecordCallsRequest): RecordStream {
    return this.#track(this.#of(manager).client.recordCalls(request));
  }

  /** Ends the streams that are open, too. */
  close(): void {
    for (const stream of this.#streams) stream.cancel();
    for (const { client } of this.#managers.values()) client.close();
    this.#managers.clear();
  }

  async #askAll<T>(
    managers: readonly string[],
    timeoutMs: number,
    ask: (
      client: RunnerServiceClient,
      callback: (error: Error | null, value: T) => void,
    ) => UnaryCall,
  ): Promise<Gathered<T>> {
    const answers: FromManager<T>[] = [];
    const failures: ManagerFailure[] = [];
    const asking = managers.map(async (manager) => {
      try {
        const { client } = this.#of(manager);
        answers.push({ manager, value: await answerOf(timeoutMs, (done) => ask(client, done)) });
      } catch (error) {
        failures.push({ manager, error: RpcError.from(error) });
      }
    });
    await Promise.all(asking);
    const byOrder = (a: { manager: string }, b: { manager: string }): number =>
      managers.indexOf(a.manager) - managers.indexOf(b.manager);
    return { answers: answers.toSorted(byOrder), failures: failures.toSorted(byOrder) };
  }

  #track<S extends LogStream | RecordStream>(stream: S): S {
    this.#streams.add(stream);
    stream.on('close', () => this.#streams.delete(stream));
    return stream;
  }

  #of(address: string): Manager {
    const known = this.#managers.get(address);
    if (known !== undefined) return known;
    const manager = { address, client: connectRunnerService({ address, tls: this.#tls }) };
    this.#managers.set(address, manager);
    return manager;
  }
}

function answerOf<T>(
  timeoutMs: number,
  ask: (done: (error: Error | null, value: T) => void) => UnaryCall,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new RpcError('DEADLINE_EXCEEDED', `no answer within ${timeoutMs} ms`));
      call.cancel();
    }, timeoutMs);
    const call = ask((error, value) => {
      clearTimeout(timer);
      if (error === null) resolve(value);
      else reject(RpcError.from(error));
    });
  });
}
