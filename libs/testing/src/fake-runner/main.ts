// A runner process for tests: main.ts MODE. Listens on APISIX_LISTEN_ADDRESS.
import { startFakeRunner, type FakeRunnerScript } from './fake-runner.ts';

const [mode = 'continue'] = process.argv.slice(2);
const { env } = process;
const socketPath = (env['APISIX_LISTEN_ADDRESS'] ?? '').replace(/^unix:/, '');

const scripts: Readonly<Record<string, FakeRunnerScript>> = {
  continue: {},
  'crash-mid-call': { onRequestCall: () => process.exit(7) },
  // Stops every request with what the process sees of the environment.
  environment: {
    onRequestCall: ({ id }, peer) => {
      const body = Buffer.from(JSON.stringify({ env, pid: process.pid, socketPath }));
      peer.answer(id, { kind: 'stop', status: 200, headers: [], body });
    },
  },
  'ignore-sigterm': {},
};

const script = scripts[mode];
if (script === undefined) throw new Error(`unknown mode ${mode}`);
if (mode === 'ignore-sigterm') process.on('SIGTERM', () => console.log('SIGTERM ignored'));
await startFakeRunner(script, socketPath);
console.log(`fake runner ${mode} listens`);
