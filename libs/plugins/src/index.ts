export { PLUGIN_DEFINITIONS } from './definitions.ts';
export { loadPlugins, UnknownPluginError } from './load-plugins.ts';
export { logBatches } from './log-batches.ts';
