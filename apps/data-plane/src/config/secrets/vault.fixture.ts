// Test-only: what of Vault's HTTP API reads secrets, over real HTTP.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface VaultServer {
  readonly uri: string;
  readonly requests: readonly http.IncomingMessage[];
  /** Answers by path, as `/v1/kv/jack`; another path gets 404. May be changed. */
  readonly secrets: Map<string, unknown>;
  /** Answers nothing but 503 while it is true. */
  sealed: boolean;
  close(): Promise<void>;
}

/** Takes the token `root` only. */
export async function startVault(): Promise<VaultServer> {
  const requests: http.IncomingMessage[] = [];
  const secrets = new Map<string, unknown>();
  const server = http.createServer((request, response) => {
    requests.push(request);
    const answer = (status: number, body: unknown): void => {
      response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
    };
    if (vault.sealed) return answer(503, { errors: ['Vault is sealed'] });
    if (request.headers['x-vault-token'] !== 'root') {
      return answer(403, { errors: ['permission denied'] });
    }
    const found = secrets.get(request.url ?? '');
    answer(found === undefined ? 404 : 200, found === undefined ? { errors: [] } : { data: found });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const vault: VaultServer = {
    uri: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    secrets,
    sealed: false,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return vault;
}
