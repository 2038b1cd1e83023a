import { FrameType } from '@polygate/runner-protocol';
import { CALL_RULES } from './rules/call-rules.ts';
import { INFO_RULES } from './rules/info-rules.ts';
import { IdleConnection, LOAD_RULES } from './rules/load-rules.ts';
import { MALFORMED_RULES } from './rules/malformed-rules.ts';
import { PREPARE_RULES } from './rules/prepare-rules.ts';
import { PROCESS_RULES } from './rules/process-rules.ts';
import type { Rule } from './rule.ts';
import { CHECK_PLUGIN, RunnerUnderTest, type UnderTestOptions } from './runner-under-test.ts';

export interface RuleResult {
  readonly id: string;
  readonly level: 'must' | 'should';
  readonly sentence: string;
  readonly result: 'kept' | 'broken' | 'skipped';
  /** What was seen, or why it was skipped. */
  readonly seen: string;
}

export interface CheckOptions extends UnderTestOptions {
  /** How long a connection is left alone. */
  readonly idleMs: number;
  /** Only rules whose id begins with this. */
  readonly only?: string;
  readonly onResult?: (result: RuleResult) => void;
}

/**
 * Checks a runner against the rules of the protocol, one by one, in a fixed order. A runner that
 * ends where it should not is started again, and the rule is broken. Rejects where it cannot be
 * started at all.
 */
export async function checkRunner(options: CheckOptions): Promise<RuleResult[]> {
  const runner = new RunnerUnderTest(options);
  const results: RuleResult[] = [];
  try {
    await runner.start();
    const hasPlugin = await hasCheckPlugin(runner);
    const idle = hasPlugin ? await IdleConnection.begin(runner) : undefined;
    for (const rule of selected(options, idle)) {
      const skipped = reasonToSkip(rule, runner, hasPlugin);
      const judged =
        skipped === undefined
          ? await judge(rule, runner)
          : ({ result: 'skipped', seen: skipped } as const);
      const { id, level, sentence } = rule;
      const result = { id, level, sentence, ...judged };
      results.push(result);
      options.onResult?.(result);
    }
  } catch (error) {
    const lines = runner.lastLines.map((line) => `\n  ${line}`).join('');
    throw new Error(`the runner cannot be checked: ${(error as Error).message}${lines}`, {
      cause: error,
    });
  } finally {
    await runner.dispose();
  }
  return results;
}

/** The connection rests while the rules before the last group are checked. */
function selected({ only, idleMs }: CheckOptions, idle: IdleConnection | undefined): Rule[] {
  const rules = [
    ...PREPARE_RULES,
    ...CALL_RULES,
    ...INFO_RULES,
    ...LOAD_RULES,
    ...(idle === undefined ? [] : [idle.rule(idleMs)]),
    ...MALFORMED_RULES,
    ...PROCESS_RULES,
  ];
  return only === undefined ? rules : rules.filter(({ id }) => id.startsWith(only));
}

function reasonToSkip(rule: Rule, runner: RunnerUnderTest, hasPlugin: boolean): string | undefined {
  if (rule.needs.includes('process') && !runner.hasProcess) return 'not started by us';
  if (rule.needs.includes('plugin') && !hasPlugin) return `no plugin ${CHECK_PLUGIN}`;
  return undefined;
}

async function judge(rule: Rule, runner: RunnerUnderTest) {
  const endsIt = rule.needs.includes('process');
  const { isKept, seen } = await checkedRule(rule, runner);
  if (!endsIt) await runner.noticeEnd();
  if (runner.ended === undefined) return { result: isKept ? 'kept' : 'broken', seen } as const;
  const how = runner.ended;
  await runner.kill();
  await runner.start();
  if (endsIt) return { result: isKept ? 'kept' : 'broken', seen } as const;
  return { result: 'broken', seen: `${seen}; the runner ended: ${how}` } as const;
}

async function checkedRule(rule: Rule, runner: RunnerUnderTest) {
  try {
    return await rule.check(runner);
  } catch (error) {
    return { isKept: false, seen: (error as Error).message };
  }
}

/** Whether the plugin is there and does what it is told. */
async function hasCheckPlugin(runner: RunnerUnderTest): Promise<boolean> {
  const probe = await runner.connect();
  try {
    const confToken = await runner.token({ do: 'rewrite' });
    const seen = await probe.call({ id: 1, confToken }, runner.waitMs);
    if (seen.kind !== 'frame' || seen.type !== FrameType.HTTP_REQ_CALL) return false;
    return seen.payload.includes('/checked');
  } catch {
    return false;
  } finally {
    probe.close();
  }
}
