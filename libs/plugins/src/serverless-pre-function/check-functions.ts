import { Script } from 'node:vm';
import { ConfigError } from '@polygate/model';
import type { GatewaySettings } from '@polygate/plugin-sdk';

const WAY = 'functions are written in JavaScript, as (conf, ctx) => { … }';
const FUNCTION = /^\s*(async\s+)?(function\b|\(|[A-Za-z_$][\w$]*\s*=>)/;

/**
 * Refuses what is no function of JavaScript, and any where they are not switched on. The text is
 * parsed and not run: that happens in the sandbox alone. Throws a ConfigError.
 */
export function checkFunctions(
  functions: readonly string[],
  settings: GatewaySettings | undefined,
): void {
  for (const text of functions) checkFunction(text);
  if (settings?.serverlessJavaScript !== false) return;
  throw new ConfigError(
    'functions are switched off: set polygate.serverless_javascript: true in the configuration ' +
      `file to run them (${WAY})`,
  );
}

function checkFunction(text: string): void {
  let problem: string | undefined;
  try {
    new Script(`(${text}\n)`);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    problem = error.message;
  }
  if (problem === undefined && FUNCTION.test(text)) return;
  const isLua = /\b(local|then|end|nil|elseif)\b|^\s*return\b|~=|\.\./.test(text);
  if (isLua) throw new ConfigError(`Polygate does not run Lua: ${WAY}`);
  throw new ConfigError(
    problem === undefined
      ? `only accept JavaScript function: ${WAY}`
      : `failed to load the function: ${problem}; ${WAY}`,
  );
}
