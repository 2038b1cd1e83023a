import { expect, test } from 'vitest';
import { parseDebugFile } from './debug-file.ts';

const parse = (text: string) => parseDebugFile(text, '/conf/debug.yaml');

test('a debug file as APISIX ships it switches nothing on', () => {
  const text = `
basic:
  enable: false
http_filter:
  enable: false
  enable_header_name: X-APISIX-Dynamic-Debug
hook_conf:
  enable: false
  name: hook_phase
  log_level: warn
  is_print_input_args: true
  is_print_return_value: true
hook_phase:
  apisix:
    - http_access_phase
#END
`;
  expect(parse(text)).toEqual({ basic: false, hooks: false });
});

test('sections may be left out', () => {
  expect(parse('basic:\n  enable: true\n#END\n')).toEqual({ basic: true, hooks: false });
  expect(parse('hook_conf: {enable: true}\n#END')).toEqual({ basic: false, hooks: true });
  expect(parse('#END')).toEqual({ basic: false, hooks: false });
});

test.each(['', 'basic:\n  enable: true\n', '#END\nbasic:\n  enable: true\n'])(
  'a text without the flag at its end is not read: %j',
  (text) => expect(parse(text)).toBeUndefined(),
);

test.each([
  ['basic: {enable: yes please}\n#END', 'basic.enable: expected'],
  ['basic: 1\n#END', 'basic: expected a mapping'],
  ['hook_conf: {log_level: loud}\n#END', 'hook_conf.log_level: expected'],
  ['- a\n#END', 'expected a mapping of keys'],
  ['basic: [\n#END', '/conf/debug.yaml'],
])('%j is refused', (text, reason) => {
  expect(() => parse(text)).toThrow(reason);
});
