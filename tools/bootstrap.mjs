// The one entry of the npm scripts: installs what is missing, then runs the command on Node 26.
// Plain JavaScript without dependencies, because it runs on whatever Node (>= 20) the machine has.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

const NODE_MAJOR = 26;
const root = path.resolve(import.meta.dirname, '..');
const modules = path.join(root, 'node_modules');
const stamp = path.join(modules, '.polygate-installed');

const [command, ...args] = process.argv.slice(2);
const commands = {
  start: () => node('tools/start.ts', args),
  test: () => node(bin('vitest'), ['run', ...args]),
  bench: () => node('tools/bench/bench.ts', args),
  check: () => node('tools/check.ts', args),
};

if (command === undefined)
  fail(`usage: bootstrap.mjs ${Object.keys(commands).join('|')} | <tool> …`);
install();
const known = commands[command];
if (known !== undefined) known();
else if (existsSync(bin(command))) node(bin(command), args);
else fail(`unknown command ${command}`);

/** `npm ci` when the lockfile is not the one that was installed. */
function install() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.log('polygate: installing dependencies (once)…');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // Node's own version is checked below, once the one that comes with the dependencies is there.
  const { status } = spawnSync(npm, ['ci', '--loglevel=error'], { cwd: root, stdio: 'inherit' });
  if (status !== 0) fail('npm ci failed');
  writeFileSync(stamp, lock);
}

function bin(name) {
  return path.join(modules, '.bin', name);
}

/** Runs a script on Node 26: the one that runs this, or the one that came with the dependencies. */
function node(script, scriptArgs) {
  const own = Number(process.versions.node.split('.')[0]) >= NODE_MAJOR;
  const executable = own ? process.execPath : bin('node');
  if (!existsSync(executable)) {
    fail(
      `Node ${NODE_MAJOR} is needed; there is no package of it for ${process.platform} ${process.arch}`,
    );
  }
  const env = {
    ...process.env,
    PATH: [path.dirname(executable), path.join(modules, '.bin'), process.env.PATH].join(
      path.delimiter,
    ),
    // Compiled code is kept for the next start, also for that of each worker thread and each child.
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? path.join(modules, '.cache/compiled'),
    NX_DAEMON: 'false',
    // nx and its plugins ask their makers for news otherwise
    NX_NO_CLOUD: 'true',
    NX_SKIP_PROVENANCE_CHECK: 'true',
  };
  const child = spawn(executable, [script, ...scriptArgs], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGQUIT']) {
    // Ctrl-C reaches the whole foreground group; a signal to npm alone would not.
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
    });
  }
  child.on('error', (error) => fail(error.message));
  child.on('exit', (code, signal) => process.exit(signal === null ? code : 1));
}

function fail(message) {
  console.error(`polygate: ${message}`);
  process.exit(1);
}
