import { flag, integer, listOf, section, text, type RuleValue } from './key-rules.ts';
import { nginxSize, serviceAddress, texts } from './value-rules.ts';

const NAME = /^[a-z0-9][a-z0-9_-]{0,63}$/;

/** As `serviceAddress`, where one has to be written. */
export const requiredAddress = text(
  '',
  serviceAddress.expects,
  (value) => value.startsWith('unix:') || /^.+:\d{1,5}$/.test(value),
);

/** An element of `polygate.runners`. What its keys mean together is checked by `readRunners`. */
export const runner = section({
  name: text('', 'a name of small letters, digits, - and _', (value) => NAME.test(value)),
  cmd: listOf(text('', 'text'), undefined, { expects: 'a list of texts', itemsMin: 1 }),
  address: text(undefined, 'unix:<path>', (value) => /^unix:.+$/.test(value)),
  plugins: texts([]),
  instances: integer(1, 1, 64),
  env: texts([]),
  cwd: text(undefined),
  user: text(undefined),
  watch: flag(false),
  in_flight_max: integer(undefined, 1),
  limits: section({
    memory_bytes_max: nginxSize(undefined),
    files_max: integer(undefined, 16),
  }),
  timeouts: section({
    call_ms: integer(undefined, 1),
    start_ms: integer(30_000, 1),
    stop_ms: integer(1000, 0),
  }),
});

export type WrittenRunner = RuleValue<typeof runner>;
