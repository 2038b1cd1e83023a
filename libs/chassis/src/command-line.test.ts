import { expect, test } from 'vitest';
import { CommandLineError, readCommandLine, usage } from './command-line.ts';

test.each([
  [[], 'conf/config.yaml', false],
  [['--config', 'a.yaml'], 'a.yaml', false],
  [['--config=a.yaml'], 'a.yaml', false],
  [['-c', 'a.yaml'], 'a.yaml', false],
  [['--help'], 'conf/config.yaml', true],
  [['-h'], 'conf/config.yaml', true],
])('%j reads %s', (argv, configFile, help) => {
  expect(readCommandLine(argv)).toEqual({ configFile, help });
});

test.each([
  [['--confg', 'a'], "Unknown option '--confg' (try --help)"],
  [['-x'], "Unknown option '-x' (try --help)"],
  [['a.yaml'], "Unexpected argument 'a.yaml'"],
  [['--config'], "Option '-c, --config <value>' argument missing (try --help)"],
  [['--config='], '--config needs the name of a file (try --help)'],
])('%j is refused in words', (argv, message) => {
  expect(() => readCommandLine(argv)).toThrow(CommandLineError);
  expect(() => readCommandLine(argv)).toThrow(message);
});

test('the usage names the options and their default', () => {
  expect(usage('admin-api')).toContain('Usage: admin-api [--config FILE]');
  expect(usage('admin-api')).toContain('conf/config.yaml');
});
