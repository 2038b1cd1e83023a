// Loaded into every thread of a gateway under observation (`node --import`): tells the benchmark how
// much memory the thread has, how long its event loop stood still, and where its time goes.
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector/promises';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread, threadId, workerData } from 'node:worker_threads';

export type AgentRole = 'main' | 'worker' | 'other';

export interface AgentHello {
  readonly threadId: number;
  readonly role: AgentRole;
}

export interface AgentRequest {
  readonly id: number;
  readonly command:
    'memory' | 'resources' | 'watch-loop' | 'loop-stall' | 'profile' | 'save-profile';
  /** Of `save-profile`. */
  readonly file?: string;
}

export interface AgentAnswer {
  readonly id: number;
  readonly value: number;
}

const LOOP_SAMPLE_MS = 1;
const PROFILE_SAMPLE_US = 250;

const socketPath = process.env['POLYGATE_BENCH_AGENT'];
if (socketPath !== undefined) serve(socketPath);

function serve(file: string): void {
  const session = new Session();
  let stallMs = 0;
  let watched: NodeJS.Timeout | undefined;
  const socket = connect(file);
  socket.unref();
  // the benchmark ended: nobody is there to be told
  socket.on('error', () => socket.destroy());
  const hello: AgentHello = { threadId, role: roleOf() };
  socket.write(`${JSON.stringify(hello)}\n`);

  const run = async ({ command, file: profileFile = '' }: AgentRequest): Promise<number> => {
    switch (command) {
      case 'memory':
        collectGarbage();
        return process.memoryUsage().heapUsed;
      case 'resources':
        return process.getActiveResourcesInfo().length;
      case 'watch-loop':
        stallMs = 0;
        clearTimeout(watched);
        watched = watchLoop((ms) => (stallMs = Math.max(stallMs, ms)));
        return 0;
      case 'loop-stall':
        clearInterval(watched);
        return stallMs;
      case 'profile':
        session.connect();
        await session.post('Profiler.enable');
        await session.post('Profiler.setSamplingInterval', { interval: PROFILE_SAMPLE_US });
        await session.post('Profiler.start');
        return 0;
      case 'save-profile': {
        const { profile } = await session.post('Profiler.stop');
        session.disconnect();
        writeFileSync(profileFile, JSON.stringify(profile));
        return profile.samples?.length ?? 0;
      }
    }
  };
  let pending = '';
  socket.on('data', (chunk) => {
    const lines = (pending + chunk.toString()).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const request = JSON.parse(line) as AgentRequest;
      void run(request).then((value) => {
        const answer: AgentAnswer = { id: request.id, value };
        socket.write(`${JSON.stringify(answer)}\n`);
      });
    }
  });
}

/** Tells how much later than it should each tick of a short interval came, in milliseconds. */
function watchLoop(tell: (lateMs: number) => void): NodeJS.Timeout {
  let lastMs = performance.now();
  return setInterval(() => {
    const nowMs = performance.now();
    tell(nowMs - lastMs - LOOP_SAMPLE_MS);
    lastMs = nowMs;
  }, LOOP_SAMPLE_MS).unref();
}

/** All of it, without having been started with --expose-gc. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let i = 0; i < 3; i++) gc();
}

function roleOf(): AgentRole {
  if (isMainThread) return 'main';
  const data: unknown = workerData;
  return typeof data === 'object' && data !== null && 'workerId' in data ? 'worker' : 'other';
}
