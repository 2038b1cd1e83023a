import { onlyPlainHttp } from '../contender.ts';
import type { Contender } from '../contender.ts';
import { freePorts } from '../free-ports.ts';

/** Each is a program beside this file: `node <program> <port> <upstream's port>`. */
function nodeProxy(name: string, program: string, about: string): Contender {
  return {
    name,
    about: `${about}; one process, X-Forwarded-*, keep-alive to the upstream`,
    needs: undefined,
    cannot: onlyPlainHttp,
    async start({ children, cpus, upstreamPort }) {
      const [port = 0] = await freePorts(1);
      const child = children.start({
        name,
        command: [
          process.execPath,
          `tools/bench/peers/${program}`,
          String(port),
          String(upstreamPort),
        ],
        cpus,
      });
      return { child, url: `http://127.0.0.1:${port}`, metricsUrl: undefined };
    },
  };
}

export const nodeProxies: readonly Contender[] = [
  nodeProxy(
    '@fastify/http-proxy',
    'fastify-http-proxy.peer.ts',
    'as its manual shows it, logging off',
  ),
  nodeProxy('http-proxy', 'http-proxy.peer.ts', 'with a keep-alive agent'),
  nodeProxy('undici', 'undici.peer.ts', 'node:http in front of undici’s Pool.dispatch'),
];
