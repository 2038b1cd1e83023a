/**
 * Run as a process of its own by crash.integration.test.ts: an Admin API on the embedded store of
 * a configuration file. Prints its address. `node … <file>`
 */
import { createLogger, loadConfig, reloadPluginList } from '@polygate/chassis';
import { openConfigStore } from '@polygate/config-store';
import { startAdminApi } from './start-admin-api.ts';

const file = process.argv[2] ?? '';
const config = loadConfig(file);
const log = createLogger({ level: 'error', format: 'text', service: 'admin-api' });
const store = openConfigStore(config, log);
const loadPluginList = () => reloadPluginList(file);
const { address } = await startAdminApi({ config, store, log, loadPluginList });
console.log(`Admin API on http://${address.host}:${address.port}`);
