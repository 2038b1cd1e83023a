import path from 'node:path';
import { describeRunner } from './describe-runner.ts';

const root = path.resolve(import.meta.dirname, '../..');

describeRunner({
  name: 'TypeScript',
  isHere: () => true,
  prepare: () => [
    process.execPath,
    path.join(root, 'libs/plugin-runner/src/main.ts'),
    path.join(import.meta.dirname, 'rewrite-demo.ts'),
  ],
  cells: {},
});
