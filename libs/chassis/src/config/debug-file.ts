import { ConfigFileError } from './config-file-error.ts';
import { parseConfigText } from './config-text.ts';
import { flag, oneOf, section, text } from './keys/key-rules.ts';

/** What a debug file switches on. */
export interface DebugSettings {
  /** `basic.enable`: answers name the plugins that ran. */
  readonly basic: boolean;
  /** `hook_conf.enable`: traces Lua functions, of which there are none here. */
  readonly hooks: boolean;
}

const DEBUG_FILE = section({
  basic: section({ enable: flag(false) }),
  http_filter: section({
    enable: flag(false),
    enable_header_name: text('X-APISIX-Dynamic-Debug'),
  }),
  hook_conf: section({
    enable: flag(false),
    name: text(''),
    log_level: oneOf(
      ['debug', 'info', 'notice', 'warn', 'error', 'crit', 'alert', 'emerg'],
      'warn',
    ),
    is_print_input_args: flag(true),
    is_print_return_value: flag(true),
  }),
});

/** The flag stands among the last so many characters, as in APISIX. */
const END_FLAG_WITHIN = 10;

/**
 * Reads the text of a `debug.yaml`. Undefined without `#END` at its end: it is still being written.
 * Throws a ConfigFileError that lists every problem. Sections may be left out, other keys are the
 * lists of hooks. Follows apisix/debug.lua (`read_debug_yaml`).
 */
export function parseDebugFile(content: string, file: string): DebugSettings | undefined {
  if (!content.slice(-END_FLAG_WITHIN).includes('#END')) return undefined;
  const { document, findings } = parseConfigText(content, file, {});
  const written = DEBUG_FILE.read(document, '', findings);
  if (findings.problems.length > 0) throw new ConfigFileError(file, findings.problems);
  return { basic: written.basic.enable, hooks: written.hook_conf.enable };
}
