import type { BodyObserver } from '@polygate/plugin-sdk';
import type { GatewayRequest } from '../request/client-request.ts';
import type { BodySink, RequestBody } from '../request/exchange.ts';

/** A body, with those who watch it go by: once, when it is sent. Who is slow among them is not waited for. */
export function observedBody(
  body: Buffer | RequestBody | undefined,
  request: GatewayRequest,
): Buffer | RequestBody | undefined {
  if (body !== undefined && !Buffer.isBuffer(body)) return observedStream(body, request);
  for (const observer of takeObservers(request)) {
    if (body !== undefined && body.length > 0) observer.onChunk(body);
    observer.onEnd();
  }
  return body;
}

function takeObservers(request: GatewayRequest): readonly BodyObserver[] {
  const observers = request.bodyObservers ?? [];
  request.bodyObservers = undefined;
  return observers;
}

/** A try that fails before it takes anything leaves the observers to the next one. */
function observedStream(body: RequestBody, request: GatewayRequest): RequestBody {
  return {
    present: body.present,
    length: body.length,
    complete: undefined,
    readAll: (bytesMax) => body.readAll(bytesMax),
    resume: () => body.resume(),
    stream: (sink) => body.stream(observedSink(sink, takeObservers(request))),
  };
}

function observedSink(sink: BodySink, observers: readonly BodyObserver[]): BodySink {
  return {
    write(chunk) {
      for (const observer of observers) observer.onChunk(chunk);
      return sink.write(chunk);
    },
    end(trailers) {
      for (const observer of observers) observer.onEnd();
      sink.end(trailers);
    },
    fail(error) {
      for (const observer of observers) observer.onCut();
      sink.fail(error);
    },
  };
}
