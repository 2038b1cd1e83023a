import { defineConfig } from 'vitest/config';

// Every workspace folder is a vitest project, so that `nx test <project>` and the one run of
// `npm test` see the same tests.
const folders = {
  apps: ['admin-api', 'data-plane', 'runner-manager'],
  libs: [
    'chassis',
    'config-store',
    'model',
    'plugin-runner',
    'plugin-sdk',
    'plugins',
    'rpc',
    'runner-protocol',
    'testing',
  ],
};
const roots = Object.entries(folders).flatMap(([group, names]) =>
  names.map((name) => `./${group}/${name}`),
);

export default defineConfig({
  test: {
    projects: [...roots, './tools'].map((root) => ({
      test: {
        name: `@polygate/${root.split('/').at(-1)}`,
        root,
        include: ['**/*.test.ts'],
        environment: 'node',
        testTimeout: 30_000,
        hookTimeout: 120_000,
      },
    })),
  },
});
