import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MatrixGateway } from './matrix-gateway.ts';
import type { MatrixRunner } from './matrix-runner.ts';
import { ROWS } from './rows.ts';
import type { PluginEntry, Row, RowName } from './rows.ts';

const START_MS_MAX = 600_000;
const ROW_MS_MAX = 120_000;

/** The route that only says whether the runner serves. */
const PLAIN = 'plain';

/**
 * The tests of one runner: every row against one gateway, first those that may run beside others, at
 * one time, then each of the others alone.
 */
export function describeRunner(runner: MatrixRunner): void {
  describe.skipIf(!runner.isHere())(`the ${runner.name} runner`, () => {
    let gateway: MatrixGateway;
    beforeAll(async () => {
      const command = await runner.prepare();
      gateway = await MatrixGateway.start(`ext-plugin: { cmd: ${JSON.stringify(command)} }`);
      await gateway.put(routesOf(runner));
      await gateway.until(`/${PLAIN}`, ({ status }) => status === 200);
    }, START_MS_MAX);
    afterAll(() => gateway?.stop());

    const names = Object.keys(ROWS) as RowName[];
    const rowOf = (name: RowName): Row => ROWS[name];
    const check = async (name: RowName): Promise<void> => {
      const { ask, outcome } = rowOf(name);
      const came = await ask(`${gateway.url}/${routeOf(name)}`, gateway);
      const cell = runner.cells[name];
      const [first, ...others] = cell?.outcomes ?? [outcome];
      const other = others.find((one) => isSame(one, came));
      expect(came, cell?.because).toEqual(other ?? first);
    };

    test.concurrent.for(names.filter((name) => rowOf(name).isAlone !== true).map(titled))(
      '%s',
      { timeout: ROW_MS_MAX },
      ([, name]) => check(name),
    );

    test.for(names.filter((name) => rowOf(name).isAlone === true).map(titled))(
      '%s',
      { timeout: ROW_MS_MAX },
      async ([, name]) => {
        const { isWrittenLate: isLate, isWaitedFor } = rowOf(name);
        if (isLate === true) await gateway.put(routesOfRow(runner, name));
        await check(name);
        if (isLate === true) await gateway.remove(Object.keys(routesOfRow(runner, name)));
        const isThere = (await fetch(`${gateway.url}/${PLAIN}`)).status === 200;
        if (!isThere && isWaitedFor !== true) await gateway.restartRunner();
        await gateway.until(`/${PLAIN}`, ({ status }) => status === 200);
      },
    );

    function titled(name: RowName): [string, RowName] {
      const because = runner.cells[name]?.because;
      return [because === undefined ? name : `${name} – not so: ${because}`, name];
    }
  });
}

function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Of the row's name; an id has 64 characters at most. */
function routeOf(name: string): string {
  const slug = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return slug.slice(0, 50);
}

function routesOf(runner: MatrixRunner): Record<string, object> {
  const names = (Object.keys(ROWS) as RowName[]).filter(
    (name) => (ROWS[name] as Row).isWrittenLate !== true,
  );
  const plain = { [PLAIN]: pluginsOf(runner, { conf: [{}] }) };
  return Object.assign(plain, ...names.map((name) => routesOfRow(runner, name))) as typeof plain;
}

function routesOfRow(runner: MatrixRunner, name: RowName): Record<string, object> {
  const row: Row = ROWS[name];
  const more = Object.entries(row.moreRoutes ?? {}).map(([end, conf]): [string, object] => [
    `${routeOf(name)}-${end}`,
    pluginsOf(runner, { ...row, conf }),
  ]);
  return { [routeOf(name)]: pluginsOf(runner, row), ...Object.fromEntries(more) };
}

function pluginsOf(
  { pluginFor = () => 'rewrite-demo' }: MatrixRunner,
  { plugin = 'ext-plugin-pre-req', conf, options }: Pick<Row, 'plugin' | 'conf' | 'options'>,
): object {
  const named = (entry: PluginEntry, i: number) => {
    if ('value' in entry) return entry;
    const name = i === 0 ? pluginFor(entry, plugin) : 'second-demo';
    return { name, value: JSON.stringify(entry) };
  };
  return { [plugin]: { conf: conf.map(named), ...options } };
}
