/**
 * Runs in the sandbox. Makes `conf` and `ctx` of what the host gives, calls the function, and answers
 * as JSON what it says: `[status, body, headers]`.
 */
export const CONTEXT_PRELUDE = String.raw`
(host) => {
  const ask = (operation, ...args) => {
    const answer = host(operation, JSON.stringify(args));
    return answer === undefined ? undefined : JSON.parse(answer);
  };
  const property = (operation) => ({
    get: () => ask('get', operation),
    set: (value) => void ask('set', operation, value),
    enumerable: true,
  });
  const headers = (side) => Object.freeze({
    get: (name) => ask('header.get', side, String(name)),
    getAll: (name) => ask('header.getAll', side, String(name)),
    set: (name, value) => void ask('header.set', side, String(name), value),
    add: (name, value) => void ask('header.add', side, String(name), String(value)),
    delete: (name) => void ask('header.delete', side, String(name)),
  });
  const message = (side, names) => Object.freeze(
    Object.defineProperties({ headers: headers(side) },
      Object.fromEntries(names.map((name) => [name, property(side + '.' + name)]))));
  const named = (operation) => new Proxy(Object.create(null), {
    get: (_, name) => (typeof name === 'string' ? ask(operation + '.get', name) : undefined),
    set: (_, name, value) => (ask(operation + '.set', String(name), value), true),
  });
  const EXIT = Symbol('exit');
  const text = (parts) => parts.map((part) =>
    typeof part === 'string' ? part : JSON.stringify(part)).join(' ');
  const log = Object.freeze(Object.fromEntries(['debug', 'info', 'warn', 'error'].map((level) =>
    [level, (...parts) => void ask('log', level, text(parts))])));
  const answer = (value) => {
    if (value === undefined || value === null) return undefined;
    if (typeof value === 'number') return JSON.stringify([value]);
    if (Array.isArray(value)) return JSON.stringify(value);
    if (typeof value === 'object') return JSON.stringify([value.status, value.body, value.headers]);
    return JSON.stringify([undefined, value]);
  };
  return (input, run) => {
    const { conf, vars } = JSON.parse(input);
    let exited;
    const ctx = Object.freeze({
      phase: conf.phase,
      var: named('var'),
      request: message('request',
        ['method', 'scheme', 'host', 'path', 'upstreamPath', 'query', 'args', 'body']),
      response: message('response', ['status', 'body']),
      consumer: vars.consumer,
      route: vars.route,
      client: vars.client,
      log,
      exit: (status, body, headers) => {
        exited = JSON.stringify([status, body, headers]);
        throw EXIT;
      },
    });
    const settle = (error) => {
      if (exited !== undefined) return exited;
      throw error;
    };
    try {
      const value = run(conf, ctx);
      if (value !== null && typeof value === 'object' && typeof value.then === 'function') {
        return value.then((later) => exited ?? answer(later), settle);
      }
      return exited ?? answer(value);
    } catch (error) {
      return settle(error);
    }
  };
}`;
