import type { AddressInfo, ListenOptions, Server } from 'node:net';

/** Resolves to the real port once the server listens; rejects when the address cannot be had. */
export function listenOn(server: Server, options: ListenOptions): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options, () => {
      server.off('error', reject);
      resolve((server.address() as AddressInfo).port);
    });
  });
}
