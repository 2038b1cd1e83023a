export { PLUGIN_DEFINITIONS } from './definitions.ts';
export { loadPlugins, UnknownPluginError } from './load-plugins.ts';
