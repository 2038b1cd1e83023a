import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startPluginRunner } from '@polygate/plugin-runner';
import { typescriptProject } from '../new-external-plugin/typescript-project.ts';
import { checkRunner, type RuleResult } from './check-runner.ts';
import { isPassed, resultLine, summary } from './report.ts';
import { parseRunnerCheck, UsageError } from './runner-check.ts';

const ROOT = path.join(import.meta.dirname, '../..');
const OURS = path.join(ROOT, 'libs/plugin-runner/src/main.ts');
const LIMITS = { idleMs: 0, waitMs: 10_000, startMsMax: 60_000 };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'runner-check-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** The plugin as new-external-plugin makes it. */
function checkPlugin(): string {
  symlinkSync(path.join(ROOT, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(path.join(folder, 'package.json'), '{"type":"module"}');
  mkdirSync(path.join(folder, 'plugins'));
  const { files } = typescriptProject({ name: 'other', hasCheckPlugin: true });
  const file = path.join(folder, 'plugins/polygate-check.ts');
  writeFileSync(file, files['plugins/polygate-check.ts'] ?? '');
  return file;
}

function ids(results: readonly RuleResult[], result: RuleResult['result']): string[] {
  return results.filter((one) => one.result === result).map(({ id }) => id);
}

describe('runner-check', () => {
  test('finds that our own runner keeps every rule', async () => {
    const command = [process.execPath, OURS, checkPlugin()];
    const results = await checkRunner({ ...LIMITS, command });
    const failed = results.filter(({ result }) => result !== 'kept').map(resultLine);
    expect(failed).toEqual([]);
    expect(results.length).toBeGreaterThan(40);
    expect(summary(results)).toBe(`${results.length} rules kept, 0 broken, 0 weak`);
  }, 180_000);

  test('says what it could not check where the plugin is missing', async () => {
    const command = [process.execPath, OURS];
    const results = await checkRunner({ ...LIMITS, command, only: 'call' });
    expect(ids(results, 'broken')).toEqual([]);
    expect(ids(results, 'kept')).toEqual(['call.unknown-token', 'call.unknown-plugin']);
    expect(results.find(({ id }) => id === 'call.id')?.seen).toBe('no plugin polygate-check');
    expect(summary(results)).toMatch(/NOT CHECKED$/);
  }, 60_000);

  test('checks a runner that somebody else has started, and leaves it alone', async () => {
    const socket = path.join(folder, 'r.sock');
    const runner = await startPluginRunner({
      plugins: [{ name: 'p', request: () => undefined }],
      listen: `unix:${socket}`,
      log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    });
    const results = await checkRunner({ ...LIMITS, socket });
    expect(ids(results, 'broken')).toEqual([]);
    expect(ids(results, 'skipped')).toContain('process.sigterm');
    expect(await checkRunner({ ...LIMITS, socket, only: 'malformed' })).toHaveLength(5);
    await runner.close(0);
  }, 60_000);

  test('finds what the known runners do wrong', async () => {
    const file = path.join(folder, 'bad-runner.mjs');
    writeFileSync(file, BAD_RUNNER.replaceAll('@polygate/', `file://${ROOT}/libs/`));
    const command = [process.execPath, file];
    const results = await checkRunner({ ...LIMITS, waitMs: 300, command });
    const broken = ids(results, 'broken');
    expect(broken).toEqual(
      expect.arrayContaining([
        'prepare.once',
        'prepare.unknown-plugin',
        'call.unknown-token',
        'call.unknown-plugin',
        'call.bad-conf',
        'call.throw',
        'malformed.type',
        'malformed.payload',
        'process.sigterm',
        'process.unlink',
        'process.orphans',
      ]),
    );
    expect(broken).not.toContain('call.rewrite');
    expect(broken).not.toContain('malformed.cut');
    expect(isPassed(results)).toBe(false);
    const ended = results.find(({ id }) => id === 'call.throw');
    expect(ended?.seen).toContain('the runner ended: status 3');
  }, 120_000);

  test('cannot check what does not start', async () => {
    const command = [process.execPath, '-e', 'console.error("no luck"); process.exit(4)'];
    await expect(checkRunner({ ...LIMITS, command })).rejects.toThrow(
      /cannot be checked: the runner ended: status 4\n {2}no luck/,
    );
    await expect(checkRunner({ ...LIMITS, command: ['no-such-program'] })).rejects.toThrow(
      'ENOENT',
    );
  });

  test('reads its own options before the command, and none of the command', () => {
    const { options, asJson } = parseRunnerCheck(['--json', '--wait', '2', 'node', '--json', 'x']);
    expect(asJson).toBe(true);
    expect(options).toMatchObject({ command: ['node', '--json', 'x'], waitMs: 2_000 });
    expect(parseRunnerCheck(['--idle=65', '--socket', '/s']).options).toMatchObject({
      socket: '/s',
      idleMs: 65_000,
    });
  });

  test.each([
    [[]],
    [['--json']],
    [['--socket', '/s', 'node']],
    [['--colour', 'red', 'node']],
    [['--idle', 'long', 'node']],
    [['--wait', '-1', 'node']],
  ])('refuses %j', (args) => {
    expect(() => parseRunnerCheck(args)).toThrow(UsageError);
  });
});

/** Each fault is one that a runner in use has. */
const BAD_RUNNER = `
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { rmSync } from 'node:fs';
import * as protocol from '@polygate/runner-protocol/src/index.ts';

const { encodeFrame, FrameType } = protocol;
const path = process.env.APISIX_LISTEN_ADDRESS.slice('unix:'.length);
const confs = new Map();
process.on('SIGTERM', () => undefined);
spawn('sleep', ['60'], { stdio: 'ignore' });

function call({ id, confToken }) {
  const told = confs.get(confToken)?.do;
  if (told === 'throw') process.exit(3);
  const nothing = { headers: [], args: [], respHeaders: [], body: Buffer.alloc(0) };
  const header = { name: 'X-Check', value: 'rewritten' };
  const stop = { kind: 'stop', status: 403, headers: [], body: Buffer.from('stopped') };
  if (told === 'stop') return { id, action: stop };
  if (told !== 'rewrite') return { id, action: { kind: 'continue' } };
  const args = [{ name: 'check', value: '1' }];
  const action = { ...nothing, kind: 'rewrite', path: '/checked', headers: [header], args };
  return { id, action };
}

function answer(socket, { type, payload }) {
  if (type === FrameType.PREPARE_CONF) {
    const { conf } = protocol.decodePrepareConfRequest(payload);
    confs.set(confs.size + 1, conf[0]?.value.startsWith('{"') ? JSON.parse(conf[0].value) : {});
    const frame = encodeFrame(type, protocol.encodePrepareConfResponse({ confToken: confs.size }));
    socket.write(Buffer.concat([frame, frame]));
  } else if (type === FrameType.HTTP_REQ_CALL) {
    const request = protocol.decodeHttpReqCallRequest(payload);
    socket.write(encodeFrame(type, protocol.encodeHttpReqCallResponse(call(request))));
  }
}

const server = createServer((socket) => {
  const decoder = new protocol.FrameDecoder();
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => {
    try {
      for (const frame of decoder.push(chunk)) answer(socket, frame);
    } catch {
      // Falls silent.
    }
  });
});
rmSync(path, { force: true });
server.listen(path);
`;
