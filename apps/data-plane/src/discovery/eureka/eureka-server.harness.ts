// Test-only: Eureka's REST API as far as discovery goes: all applications, as JSON or as XML.
import http from 'node:http';
import type { AddressInfo } from 'node:net';

export interface TestApplicationInstance {
  readonly ipAddr: string;
  readonly port?: number | undefined;
  readonly securePort?: number | undefined;
  readonly status?: string;
  readonly overridden?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
}

export class EurekaTestServer {
  asked = 0;
  /** `user:password`; empty: anybody may ask. */
  credentials = '';
  /** In the place of 200. */
  status = 200;
  port = 0;
  readonly #applications = new Map<string, readonly TestApplicationInstance[]>();
  #server: http.Server | undefined;

  async start(): Promise<this> {
    this.#server = http.createServer((request, response) => this.#serve(request, response));
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.listen(this.port, '127.0.0.1', resolve);
    await promise;
    this.port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async stop(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server?.close(() => resolve());
    this.#server?.closeAllConnections();
    await promise;
  }

  /** None: the application is gone. */
  set(name: string, ...instances: readonly TestApplicationInstance[]): void {
    if (instances.length === 0) this.#applications.delete(name);
    else this.#applications.set(name, instances);
  }

  #serve({ url, headers }: http.IncomingMessage, response: http.ServerResponse): void {
    this.asked += 1;
    const basic = `Basic ${Buffer.from(this.credentials).toString('base64')}`;
    if (this.credentials !== '' && headers.authorization !== basic) {
      response.writeHead(401).end();
    } else if (this.status !== 200 || url !== '/eureka/apps') {
      response.writeHead(this.status === 200 ? 404 : this.status).end();
    } else if (headers.accept !== 'application/json') {
      response.writeHead(200, { 'Content-Type': 'application/xml' }).end('<applications/>');
    } else {
      response.writeHead(200, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(this.#list()));
    }
  }

  #list(): object {
    const application = [...this.#applications].map(([name, instances]) => ({
      name,
      instance: instances.map((instance) => written(name, instance)),
    }));
    return {
      applications: { versions__delta: '1', apps__hashcode: 'UP_1_', application },
    };
  }
}

function written(app: string, instance: TestApplicationInstance): object {
  const { ipAddr, port, securePort, status = 'UP', overridden = 'UNKNOWN', metadata } = instance;
  return {
    ...{ app, ipAddr, status, hostName: ipAddr, instanceId: `${ipAddr}:${app}:${port ?? 0}` },
    overriddenstatus: overridden,
    port: { $: port ?? 8080, '@enabled': String(port !== undefined) },
    securePort: { $: securePort ?? 443, '@enabled': String(securePort !== undefined) },
    countryId: 1,
    dataCenterInfo: { '@class': 'com.netflix.appinfo.MyDataCenterInfo', name: 'MyOwn' },
    leaseInfo: { renewalIntervalInSecs: 30, durationInSecs: 90 },
    ...(metadata !== undefined && { metadata }),
    vipAddress: app,
    actionType: 'ADDED',
  };
}
