import type { Meter } from '@opentelemetry/api';
import type { Traffic } from './pool-traffic.ts';

/** OpenTelemetry metrics of the pools. Read when they are sent: a call costs nothing for them. */
export function observeTraffic(meter: Meter, traffic: Traffic): void {
  const calls = meter.createObservableCounter('polygate.runner.calls');
  const failures = meter.createObservableCounter('polygate.runner.failures');
  const restarts = meter.createObservableCounter('polygate.runner.restarts');
  const inFlight = meter.createObservableGauge('polygate.runner.calls_in_flight');
  const waiting = meter.createObservableGauge('polygate.runner.calls_waiting');
  meter.addBatchObservableCallback(
    (result) => {
      for (const { pool, queue, stats } of traffic.values()) {
        const of = { 'polygate.runner': pool.name };
        const { instances } = pool.status();
        const totals = stats.totals();
        result.observe(calls, totals.calls, of);
        result.observe(failures, totals.failures, of);
        result.observe(waiting, queue.size, of);
        for (const instance of instances) {
          const one = { ...of, 'polygate.runner.instance': instance.index };
          result.observe(restarts, instance.restarts, one);
          result.observe(inFlight, instance.callsInFlight, one);
        }
      }
    },
    [calls, failures, restarts, inFlight, waiting],
  );
}
