import { CONF_EXPIRE_SECONDS } from '../manager-options.ts';

/**
 * What a runner sees of our environment: PATH, the names of `envs` (`NAME` copies, `NAME=value`
 * sets, as nginx's `env`), and the two variables of the protocol. Secrets of ours stay ours.
 */
export function runnerEnvironment(
  envs: readonly string[],
  socketPath: string,
  own: NodeJS.ProcessEnv = process.env,
): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const entry of ['PATH', ...envs]) {
    const equals = entry.indexOf('=');
    const name = equals === -1 ? entry : entry.slice(0, equals);
    const value = equals === -1 ? own[name] : entry.slice(equals + 1);
    if (name !== '' && value !== undefined) environment[name] = value;
  }
  environment['APISIX_LISTEN_ADDRESS'] = `unix:${socketPath}`;
  environment['APISIX_CONF_EXPIRE_TIME'] = String(CONF_EXPIRE_SECONDS);
  return environment;
}
