export type { ConfOf, JsonSchema } from './conf-of-schema.ts';
export { defineExternalPlugin } from './external-plugin.ts';
export type {
  AnyExternalPlugin,
  ExternalPlugin,
  PluginRequest,
  PluginResponse,
  StopReply,
} from './external-plugin.ts';
export type { FieldList } from './field-list.ts';
export { startPluginRunner, type PluginRunner, type PluginRunnerOptions } from './plugin-runner.ts';
export type { RunnerLog } from './runner-log.ts';
