import { hostname } from 'node:os';
import { compileSchema } from '@polygate/model';
import type { ErrorLogLine } from '@polygate/plugin-sdk';
import { memoryLog, memoryMetrics, type MemoryLog } from '@polygate/testing';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { startService, type TestService } from '../http-call.harness.ts';
import { startBroker, type TestBroker } from '../kafka/kafka-broker.harness.ts';
import { LONG, receiveTcp, type LogReceiver } from '../log-sinks/log-server.harness.ts';
import plugin from './error-log-logger.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function validMetadata(raw: object): Record<string, unknown> {
  const metadata = structuredClone(raw) as Record<string, unknown>;
  compileSchema(plugin.definition.metadataSchema ?? {})(metadata);
  return metadata;
}

interface Begun {
  readonly log: MemoryLog;
  readonly say: (level: string, text: string) => void;
  metadata: Record<string, unknown>;
  /** As at the end of the plugin: what was said goes away at once. */
  readonly end: () => void;
}

function begin(raw?: object): Begun {
  const listeners = new Set<(line: ErrorLogLine) => void>();
  const log = memoryLog();
  const begun: Begun = {
    log,
    metadata: raw === undefined ? {} : validMetadata({ inactive_timeout: 1, ...raw }),
    say: (level, text) => listeners.forEach((listener) => listener({ level, text })),
    end: () => end?.(),
  };
  const end = plugin.background?.({
    metadata: () => begun.metadata,
    metrics: memoryMetrics(),
    log,
    errorLog: {
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
  });
  return begun;
}

async function service(status = 200): Promise<TestService> {
  const started = await startService((_request, response) => response.writeHead(status).end('no'));
  cleanups.push(() => started.close());
  return started;
}

describe('lines of the error log', () => {
  test('go to a TCP server, those that are grave enough', async () => {
    const server: LogReceiver = await receiveTcp();
    cleanups.push(() => server.close());
    const { say, end } = begin({ tcp: { host: '127.0.0.1', port: server.port } });
    say('info', 'a little');
    say('warn', 'a warning');
    say('error', 'an error');
    end();
    await vi.waitFor(() => expect(server.messages).toEqual(['a warning\nan error\n']), LONG);
  });

  test('go to SkyWalking', async () => {
    const { url, seen } = await service();
    const skywalking = { endpoint_addr: `${url}/v3/logs`, service_instance_name: '$hostname' };
    const { say, end } = begin({ skywalking, level: 'INFO' });
    say('info', 'a line');
    end();
    await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
    expect(seen[0]?.path).toBe('/v3/logs');
    const entry = { service: 'APISIX', serviceInstance: hostname(), endpoint: '' };
    expect(JSON.parse(seen[0]?.body ?? '')).toEqual([
      { ...entry, body: { text: { text: 'a line' } } },
    ]);
  });

  test('go to ClickHouse', async () => {
    const { url, seen } = await service();
    const clickhouse = {
      endpoint_addr: url,
      user: 'u',
      password: 'p',
      database: 'd',
      logtable: 't',
    };
    const { say, end } = begin({ clickhouse });
    say('error', 'one');
    say('error', 'two');
    end();
    await vi.waitFor(() => expect(seen).toHaveLength(1), LONG);
    expect(seen[0]).toMatchObject({
      headers: { 'x-clickhouse-user': 'u', 'x-clickhouse-key': 'p', 'x-clickhouse-database': 'd' },
      body: 'INSERT INTO t FORMAT JSONEachRow {"data":"one"} {"data":"two"}',
    });
  });

  test('go to Kafka, a record each', async () => {
    const broker: TestBroker = await startBroker();
    cleanups.push(() => broker.close());
    const brokers = [{ host: '127.0.0.1', port: broker.port }];
    const { say, end } = begin({ kafka: { brokers, kafka_topic: 't', key: 'k' } });
    say('error', 'one');
    end();
    await vi.waitFor(() => expect(broker.records).toHaveLength(1), LONG);
    expect(broker.records[0]).toMatchObject({ topic: 't', key: 'k', value: '"one"' });
  });

  test('go to nobody without metadata, which is said once; the next second counts', async () => {
    const server: LogReceiver = await receiveTcp();
    cleanups.push(() => server.close());
    const begun = begin();
    cleanups.push(() => begun.end());
    begun.metadata = validMetadata({ host: '127.0.0.1', port: server.port, batch_max_size: 1 });
    begun.say('error', 'found');
    await vi.waitFor(() => expect(server.messages).toEqual(['found\n']), LONG);
    expect(begun.log.lines.join()).toContain('The schema is out of date');
    begun.metadata = {};
    await vi.waitFor(
      () => expect(begun.log.lines.join()).toContain('please set the correct plugin_metadata'),
      LONG,
    );
  });

  test('that tell of sending are not sent', async () => {
    const { url, seen } = await service(500);
    const begun = begin({ skywalking: { endpoint_addr: url }, batch_max_size: 1, level: 'DEBUG' });
    cleanups.push(() => begun.end());
    // as a worker's log does: what is logged is told to whoever listens
    const error = begun.log.error.bind(begun.log);
    vi.spyOn(begun.log, 'error').mockImplementation((message) => {
      begun.say('error', message);
      error(message);
    });
    begun.say('error', 'one');
    await vi.waitFor(() => expect(begun.log.lines.join()).toContain('status code[500]'), LONG);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(seen).toHaveLength(1);
  });
});

test.each([
  [{}, 'value should match only one schema, but matches none'],
  [{ tcp: { host: 'a', port: 1 }, kafka: {} }, 'property "kafka" validation failed'],
  [{ tcp: { port: 1 } }, 'property "tcp" validation failed: property "host" is required'],
  [{ tcp: { host: 'a', port: 1 }, level: 'LOUD' }, 'property "level" validation failed'],
  [
    { kafka: { brokers: [{ host: 'a', port: 1 }], kafka_topic: 't', tls: { verify: 'no' } } },
    'property "verify" validation failed: wrong type: expected boolean, got string',
  ],
])('refuses the metadata %j', (raw, message) => {
  expect(() => validMetadata(raw)).toThrow(message);
});
