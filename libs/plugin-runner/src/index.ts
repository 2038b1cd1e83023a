export { defineExternalPlugin } from './external-plugin.ts';
export type {
  AnyExternalPlugin,
  ExternalPlugin,
  PluginRequest,
  PluginResponse,
  StopReply,
} from './external-plugin.ts';
export type { FieldList } from './field-list.ts';
export type { RunnerLog } from './runner-log.ts';
export { startPluginRunner, type PluginRunner, type PluginRunnerOptions } from './plugin-runner.ts';
