import { parentPort, workerData } from 'node:worker_threads';
import { createGatewayWorker } from './gateway-worker.ts';
import { ProcessMetrics } from './process-metrics.ts';
import type { FromWorker, ToWorker, WorkerStart } from './messages.ts';

// The entry of a worker thread: messages in, messages out. Updates are applied one after another.

const port = parentPort;
if (port === null) throw new Error('worker-thread.ts is started by the data plane');
const send = (message: FromWorker): void => port.postMessage(message);

const processMetrics = new ProcessMetrics((id) => send({ kind: 'ask-metrics', id }));
const worker = await createGatewayWorker(workerData as WorkerStart, {
  onHealth: (reports) => send({ kind: 'health-reports', reports }),
  onServices: (wishes) => send({ kind: 'services', wishes }),
  metricsText: () => processMetrics.ask(),
});
let isListening = false;
let pluginGeneration = 0;
let applying: Promise<void> = Promise.resolve();

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'update':
      applying = applying.then(() => apply(message.update));
      break;
    case 'collect-metrics':
      send({ kind: 'metrics', id: message.id, snapshot: worker.metrics() });
      break;
    case 'explain':
      send({ kind: 'explained', id: message.id, explained: worker.explain(message.question) });
      break;
    case 'report-runners':
      void worker
        .reportRunners(message.withManagers)
        .then((report) => send({ kind: 'runners', id: message.id, report }));
      break;
    case 'take-runners':
      worker.takeRunners(message.runners);
      break;
    case 'metrics-text':
      processMetrics.answer(message.id, message.text);
      break;
    case 'health':
      worker.takeHealth(message.change);
      break;
    case 'service':
      worker.takeService(message.change);
      break;
    case 'debug-mode':
      worker.setDebugMode(message.on);
      break;
    case 'reopen-logs':
      worker.reopenLogs();
      break;
    case 'stop':
      void worker.stop(message.graceMs).finally(() => process.exit(0));
      break;
  }
});

async function apply(update: Extract<ToWorker, { kind: 'update' }>['update']): Promise<void> {
  try {
    const failures = await worker.apply(update);
    pluginGeneration = update.plugins?.generation ?? pluginGeneration;
    send({ kind: 'applied', revision: update.revision, pluginGeneration, failures });
  } catch (error) {
    const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    send({ kind: 'refused', revision: update.revision, reason });
    return;
  }
  if (isListening) return;
  isListening = true;
  // A port that cannot be had ends the thread; the main thread says so and decides.
  send({ kind: 'listening', listen: await worker.listen() });
}
