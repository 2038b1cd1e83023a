import { rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { AgentAnswer, AgentHello, AgentRequest, AgentRole } from './thread-agent.ts';

const ANSWER_MS_MAX = 60_000;
const ARRIVE_MS_MAX = 20_000;

/** The benchmark's end of the agents that run in a gateway's threads. */
export interface AgentHub {
  /** For the gateway's environment. */
  readonly socket: string;
  /** Waits for the newest thread of that role to arrive, then asks it. Rejects when it does not answer. */
  ask(role: AgentRole, command: AgentRequest['command'], file?: string): Promise<number>;
  /** One value for each thread of that role. */
  askAll(role: AgentRole, command: AgentRequest['command']): Promise<number[]>;
  close(): Promise<void>;
}

interface Agent {
  readonly hello: AgentHello;
  readonly socket: Socket;
  readonly asked: Map<number, (value: number) => void>;
}

export async function openAgentHub(file: string): Promise<AgentHub> {
  await rm(file, { force: true });
  const agents: Agent[] = [];
  let arrived: () => void = () => undefined;
  const server = createServer((socket) => {
    welcome(socket, (agent) => {
      agents.push(agent);
      socket.once('close', () => agents.splice(agents.indexOf(agent), 1));
      arrived();
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(file, resolve));

  const find = async (role: AgentRole): Promise<Agent> => {
    const limitMs = performance.now() + ARRIVE_MS_MAX;
    for (;;) {
      const agent = agents.findLast(({ hello }) => hello.role === role);
      if (agent !== undefined) return agent;
      if (performance.now() > limitMs) throw new Error(`no agent in a thread of kind ${role}`);
      await new Promise<void>((resolve) => {
        arrived = resolve;
        setTimeout(resolve, 100);
      });
    }
  };
  return {
    socket: file,
    ask: async (role, command, profileFile) => askAgent(await find(role), command, profileFile),
    async askAll(role, command) {
      await find(role);
      const all = agents.filter(({ hello }) => hello.role === role);
      return Promise.all(all.map((agent) => askAgent(agent, command)));
    },
    async close() {
      for (const { socket } of agents) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

let nextId = 1;

function askAgent(
  { socket, asked }: Agent,
  command: AgentRequest['command'],
  profileFile?: string,
): Promise<number> {
  const id = nextId++;
  const request: AgentRequest = {
    id,
    command,
    ...(profileFile !== undefined && { file: profileFile }),
  };
  return new Promise<number>((resolve, reject) => {
    const late = setTimeout(
      () => reject(new Error(`the agent did not answer to ${command}`)),
      ANSWER_MS_MAX,
    );
    asked.set(id, (value) => {
      clearTimeout(late);
      asked.delete(id);
      resolve(value);
    });
    socket.write(`${JSON.stringify(request)}\n`);
  });
}

function welcome(socket: Socket, arrive: (agent: Agent) => void): void {
  let agent: Agent | undefined;
  let pending = '';
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk) => {
    const lines = (pending + chunk.toString()).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      if (agent === undefined) {
        agent = { hello: JSON.parse(line) as AgentHello, socket, asked: new Map() };
        arrive(agent);
        continue;
      }
      const { id, value } = JSON.parse(line) as AgentAnswer;
      agent.asked.get(id)?.(value);
    }
  });
}
