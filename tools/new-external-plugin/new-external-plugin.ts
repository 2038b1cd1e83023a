import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { goProject } from './go-project.ts';
import { javaProject } from './java-project.ts';
import { packPluginRunner } from './plugin-runner-package.ts';
import type { Project, ProjectNaming } from './project.ts';
import { pythonProject } from './python-project.ts';
import { typescriptProject } from './typescript-project.ts';

const LANGUAGES = {
  typescript: typescriptProject,
  go: goProject,
  python: pythonProject,
  java: javaProject,
} as const satisfies Readonly<Record<string, (naming: ProjectNaming) => Project>>;

export type Language = keyof typeof LANGUAGES;

const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const NAME_LENGTH_MAX = 64;

export const USAGE = `usage: node tools/new-external-plugin/new-external-plugin.ts LANG NAME [DIR] [--check]
  LANG     ${Object.keys(LANGUAGES).join(', ')}
  NAME     lower-case words with hyphens between them
  DIR      a new or empty folder; NAME by default
  --check  adds the plugin polygate-check, for tools/runner-check`;

/** What the command line gets wrong; the message is for whoever typed it. */
export class UsageError extends Error {}

export interface NewExternalPlugin extends ProjectNaming {
  readonly language: Language;
  readonly folder: string;
}

/** Throws a UsageError. */
export function parseNewExternalPlugin(args: readonly string[]): NewExternalPlugin {
  const { values, positionals } = readArgs(args);
  const [language = '', name = '', folder = name, ...others] = positionals;
  if (positionals.length < 2 || others.length > 0 || !isLanguage(language)) {
    throw new UsageError(USAGE);
  }
  if (!NAME.test(name) || name.length > NAME_LENGTH_MAX || name === 'polygate-check') {
    throw new UsageError(`${name} is no plugin name: lower-case words with hyphens between them`);
  }
  return { language, name, folder, hasCheckPlugin: values.check === true };
}

/** The files of a project and how it is built and run, without writing anything. */
export function externalPluginProject(plugin: NewExternalPlugin): Project {
  return LANGUAGES[plugin.language](plugin);
}

/**
 * Writes a project for an external plugin, and for TypeScript packs the runner into it. Returns
 * what it wrote. Rejects with a UsageError where the folder holds anything: nothing is overwritten.
 */
export async function writeExternalPlugin(plugin: NewExternalPlugin): Promise<Project> {
  const { language, folder } = plugin;
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    throw new UsageError(`${folder} is not empty`);
  }
  const project = externalPluginProject(plugin);
  for (const [file, source] of Object.entries(project.files)) {
    const target = path.join(folder, file);
    mkdirSync(path.dirname(target), { recursive: true });
    writeFileSync(target, source, { flag: 'wx' });
  }
  if (language === 'typescript') await packPluginRunner(path.join(folder, 'vendor'));
  return project;
}

/** What the author does next: build, tell the gateway, use it in a route. */
export function nextSteps({ name, folder }: NewExternalPlugin, project: Project): string {
  const absolute = path.resolve(folder);
  const command = project.command.map((part) => part.replace('{dir}', absolute));
  return [
    `Build it in ${folder}:`,
    ...project.build.map((line) => `  ${line}`),
    '',
    "Tell Polygate, in its config.yaml (under APISIX: the same cmd below 'ext-plugin'):",
    ...runnerSnippet(name, command).map((line) => `  ${line}`),
    '',
    'Use it in a route:',
    `  "plugins": {"ext-plugin-pre-req": {"conf": [`,
    `    {"name": "${name}", "value": "{\\"header\\": \\"x-token\\"}"}]}}`,
  ].join('\n');
}

function runnerSnippet(name: string, command: readonly string[]): string[] {
  return [
    'polygate:',
    '  runners:',
    `    - name: ${name}`,
    `      cmd: ${JSON.stringify(command)}`,
    `      plugins: [${name}]`,
  ];
}

function isLanguage(text: string): text is Language {
  return Object.hasOwn(LANGUAGES, text);
}

function readArgs(args: readonly string[]) {
  const options = { check: { type: 'boolean' } } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (cause) {
    throw new UsageError(`${(cause as Error).message}\n${USAGE}`);
  }
}

async function main(): Promise<void> {
  try {
    const plugin = parseNewExternalPlugin(process.argv.slice(2));
    const project = await writeExternalPlugin(plugin);
    for (const file of Object.keys(project.files)) console.log(path.join(plugin.folder, file));
    console.log(`\n${nextSteps(plugin, project)}`);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exitCode = 2;
  }
}

if (import.meta.main) await main();
