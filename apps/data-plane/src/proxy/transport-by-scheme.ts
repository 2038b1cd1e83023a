import type { UpstreamTransport } from './upstream-transport.ts';

/** One transport for all: what goes to nodes of gRPC takes HTTP/2, all else HTTP/1.1. */
export function transportByScheme(
  http1: UpstreamTransport,
  http2: UpstreamTransport,
): UpstreamTransport {
  return {
    send(request, receiver) {
      const { scheme } = request.upstream;
      const transport = scheme === 'grpc' || scheme === 'grpcs' ? http2 : http1;
      return transport.send(request, receiver);
    },
    close() {
      http1.close();
      http2.close();
    },
  };
}
