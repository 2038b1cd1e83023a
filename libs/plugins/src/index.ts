export { PLUGIN_DEFINITIONS } from './definitions.ts';
export { loadPlugins, UnknownPluginError, type UserPluginVersions } from './load-plugins.ts';
export { logBatches } from './log-sinks/log-batches.ts';
export {
  UserPlugins,
  type UserPluginsOptions,
  type UserPluginVersion,
} from './user-plugins/user-plugins.ts';
