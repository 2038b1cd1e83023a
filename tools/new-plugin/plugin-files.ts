/** Phases that a plugin can be started with. */
export const NEW_PLUGIN_PHASES = [
  'rewrite',
  'access',
  'beforeProxy',
  'headerFilter',
  'bodyFilter',
  'log',
] as const;
export type NewPluginPhase = (typeof NEW_PLUGIN_PHASES)[number];

interface PluginNaming {
  readonly name: string;
  readonly priority: number;
  readonly phase: NewPluginPhase;
}

/** File name → source, as prettier leaves it. */
export function pluginFiles(plugin: PluginNaming): Readonly<Record<string, string>> {
  const { name, phase } = plugin;
  return {
    [`${name}.schema.ts`]: schemaSource(plugin),
    [`${name}.ts`]: pluginSource(name, phase),
    [`${name}.test.ts`]: testSource(name, phase),
  };
}

function schemaSource({ name, priority }: PluginNaming): string {
  return `import type { PluginDefinition } from '@polygate/plugin-sdk';

export interface Conf {
  readonly message: string;
}

export const definition: PluginDefinition<Conf> = {
  name: '${name}',
  version: 0.1,
  priority: ${priority},
  schema: {
    type: 'object',
    properties: {
      message: { type: 'string', minLength: 1, maxLength: 1024 },
    },
    required: ['message'],
  },
};
`;
}

function pluginSource(name: string, phase: NewPluginPhase): string {
  return `import { definePlugin } from '@polygate/plugin-sdk';
import { definition, type Conf } from './${name}.schema.ts';

interface Prepared {
  readonly message: string;
}

export default definePlugin<Conf, Prepared>(definition, {
  prepare: (conf) => ({ message: conf.message }),

${HANDLERS[phase]}
});
`;
}

const HANDLERS: Readonly<Record<NewPluginPhase, string>> = {
  rewrite: requestHandler('rewrite'),
  access: requestHandler('access'),
  beforeProxy: requestHandler('beforeProxy'),
  headerFilter: `  headerFilter(ctx, { message }) {
    ctx.response.headers.set('X-Message', message);
  },`,
  bodyFilter: `  headerFilter(ctx) {
    ctx.response.clearContentLength();
  },

  bodyFilter(_ctx, { message }, chunk, last) {
    return last ? Buffer.concat([chunk, Buffer.from(message)]) : chunk;
  },`,
  log: `  log(ctx, { message }) {
    ctx.log.info(message);
  },`,
};

function requestHandler(phase: string): string {
  return `  ${phase}(ctx, { message }) {
    ctx.request.headers.set('X-Message', message);
  },`;
}

function testSource(name: string, phase: NewPluginPhase): string {
  return `import { runPlugin, validConf } from '@polygate/testing';
import { expect, test } from 'vitest';
import plugin from './${name}.ts';

${TESTS[phase].replaceAll('NAME', name)}

test('${name} refuses a conf without message', () => {
  expect(() => validConf(plugin.definition, {})).toThrow('property "message" is required');
});
`;
}

const TESTS: Readonly<Record<NewPluginPhase, string>> = {
  rewrite: requestTest(),
  access: requestTest(),
  beforeProxy: requestTest(),
  headerFilter: `test('NAME sends its message to the client', async () => {
  const { headers } = await runPlugin(plugin, { message: 'hello' });
  expect(headers.get('X-Message')).toBe('hello');
});`,
  bodyFilter: `test('NAME puts its message behind the body', async () => {
  const { text } = await runPlugin(plugin, { message: 'hello' }, { upstream: { body: 'body ' } });
  expect(text).toBe('body hello');
});`,
  log: `test('NAME logs its message', async () => {
  const { log } = await runPlugin(plugin, { message: 'hello' });
  expect(log).toContain('info: hello');
});`,
};

function requestTest(): string {
  return `test('NAME sends its message to the upstream', async () => {
  const { upstreamRequest } = await runPlugin(plugin, { message: 'hello' });
  expect(upstreamRequest?.headers.get('X-Message')).toBe('hello');
});`;
}
