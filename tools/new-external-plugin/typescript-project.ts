import { SDK_FILE } from './plugin-runner-package.ts';
import type { Project, ProjectNaming } from './project.ts';

/** On our own runner; Node 22.18 or later runs the sources as they are. */
export function typescriptProject({ name, hasCheckPlugin }: ProjectNaming): Project {
  const plugins = hasCheckPlugin ? { 'plugins/polygate-check.ts': CHECK_PLUGIN } : {};
  return {
    files: {
      'package.json': packageJson(name),
      'tsconfig.json': TSCONFIG,
      '.gitignore': 'node_modules/\n',
      [`plugins/${name}.ts`]: plugin(name),
      [`plugins/${name}.test.ts`]: pluginTest(name),
      ...plugins,
    },
    build: ['npm install', 'npm run check'],
    command: ['node', '{dir}/node_modules/.bin/polygate-plugin-runner', '{dir}/plugins'],
  };
}

function packageJson(name: string): string {
  const content = {
    name,
    version: '0.1.0',
    private: true,
    type: 'module',
    engines: { node: '>=22.18' },
    scripts: {
      start: 'polygate-plugin-runner plugins',
      dev: 'polygate-plugin-runner --watch plugins',
      check: 'tsc && node --test plugins/*.test.ts',
    },
    dependencies: { '@polygate/plugin-runner': `file:vendor/${SDK_FILE}` },
    devDependencies: { '@types/node': '26.6.6', typescript: '6.0.3' },
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

const TSCONFIG = `${JSON.stringify(
  {
    compilerOptions: {
      target: 'esnext',
      module: 'nodenext',
      noEmit: true,
      strict: true,
      noUncheckedIndexedAccess: true,
      verbatimModuleSyntax: true,
      erasableSyntaxOnly: true,
      allowImportingTsExtensions: true,
      types: ['node'],
    },
    include: ['plugins'],
  },
  null,
  2,
)}\n`;

const plugin = (name: string) => `import { defineExternalPlugin } from '@polygate/plugin-runner';

/** Lets through what has a certain header, and says so to the upstream. */
export default defineExternalPlugin({
  name: '${name}',
  schema: {
    type: 'object',
    properties: {
      header: { type: 'string', minLength: 1 },
      status: { type: 'integer', minimum: 400, maximum: 599, default: 401 },
    },
    required: ['header'],
  },
  request(ctx, conf) {
    if (!ctx.headers.has(conf.header)) {
      return { status: conf.status, body: \`no \${conf.header}\\n\` };
    }
    ctx.headers.set('X-Checked-By', '${name}');
    return undefined;
  },
});
`;

const pluginTest = (name: string) => `import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testRequest } from '@polygate/plugin-runner/testing';
import plugin from './${name}.ts';

const conf = { header: 'x-token' };

test('a request with the header goes on', async () => {
  const { upstream } = await testRequest(plugin, { conf, headers: { 'X-Token': 't' } });
  assert.deepEqual(upstream?.headers['x-checked-by'], ['${name}']);
});

test('one without is answered', async () => {
  const { reply } = await testRequest(plugin, { conf });
  assert.deepEqual([reply?.status, reply?.body], [401, 'no x-token\\n']);
});

test('a conf without header is refused', async () => {
  await assert.rejects(testRequest(plugin, { conf: {} }), /"header" is required/);
});
`;

const CHECK_PLUGIN = `import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { defineExternalPlugin } from '@polygate/plugin-runner';

/** Does what tools/runner-check tells it. Not for production. */
export default defineExternalPlugin({
  name: 'polygate-check',
  schema: {
    type: 'object',
    properties: {
      do: { type: 'string' },
      bytes: { type: 'integer', minimum: 0, default: 0 },
      ms: { type: 'integer', minimum: 0, default: 0 },
    },
    required: ['do'],
  },
  async request(ctx, conf) {
    switch (conf.do) {
      case 'stop':
        return { status: 403, headers: { 'X-Check': 'stopped' }, body: 'stopped' };
      case 'rewrite':
        ctx.path = '/checked';
        ctx.headers.set('X-Check', 'rewritten');
        ctx.args.set('check', '1');
        return undefined;
      case 'variable':
        ctx.headers.set('X-Check', (await ctx.variable('check_variable')) || 'absent');
        return undefined;
      case 'body': {
        const body = await ctx.body();
        ctx.headers.set('X-Check-Bytes', String(body.length));
        ctx.headers.set('X-Check-Sha256', createHash('sha256').update(body).digest('hex'));
        return undefined;
      }
      case 'answer':
        return { status: 200, body: Buffer.alloc(conf.bytes, 'x') };
      case 'throw':
        throw new Error('as it was told');
      case 'sleep':
        await sleep(conf.ms);
        return undefined;
      default:
        return undefined;
    }
  },
  async response(ctx, conf) {
    if (conf.do !== 'response') return;
    ctx.status = 201;
    ctx.headers.set('X-Check', 'seen');
    ctx.setBody(\`\${(await ctx.body()).toString()}!\`);
  },
});
`;
