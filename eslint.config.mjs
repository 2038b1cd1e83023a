import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';

const layer = (sourceTag, ...allowed) => ({
  sourceTag: `layer:${sourceTag}`,
  onlyDependOnLibsWithTags: allowed.map((name) => `layer:${name}`),
});

/** Who may import whom: docs/architecture.md, "Borders". */
const layers = [
  layer('app', 'base', 'sdk', 'plugins', 'io', 'testing'),
  layer('plugins', 'sdk', 'base', 'testing'),
  layer('sdk', 'base', 'testing'),
  layer('io', 'base', 'testing'),
  layer('base'),
  layer('runner', 'base'),
  layer('testing', 'sdk', 'base'),
  layer('tools', 'app', 'base', 'io', 'plugins', 'runner', 'sdk', 'testing'),
];

/** External packages have one home each. */
const homes = {
  koa: ['apps/admin-api'],
  '@koa/router': ['apps/admin-api'],
  '@grpc/grpc-js': ['libs/rpc', 'libs/config-store'],
  'grpc-health-check': ['libs/rpc'],
  etcd3: ['libs/config-store'],
  flatbuffers: ['libs/runner-protocol'],
  pino: ['libs/chassis'],
};

export default tseslint.config(
  {
    ignores: ['**/node_modules/**', '**/src/gen/**', '**/*.generated.ts', '**/data/**'],
  },
  {
    files: ['**/*.ts'],
    extends: [...tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        { allow: [], depConstraints: layers, enforceBuildableLibDependency: false },
      ],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/require-await': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/consistent-type-imports': 'error',
      // `() => void` contracts are met by functions that return something
      '@typescript-eslint/no-confusing-void-expression': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      eqeqeq: 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'Name what you export: barrels make cycles.' },
      ],
      'no-restricted-globals': ['error', { name: 'eval', message: 'Configuration is never code.' }],
      'no-new-func': 'error',
      'no-restricted-imports': [
        'error',
        {
          paths: Object.keys(homes).map((name) => ({
            name,
            message: 'Has one home: see eslint.config.mjs.',
          })),
        },
      ],
    },
  },
  ...Object.entries(
    Object.entries(homes).reduce((byFolder, [name, folders]) => {
      for (const folder of folders) (byFolder[folder] ??= []).push(name);
      return byFolder;
    }, {}),
  ).map(([folder, allowed]) => ({
    files: [`${folder}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: Object.keys(homes)
            .filter((name) => !allowed.includes(name))
            .map((name) => ({ name, message: 'Has one home: see eslint.config.mjs.' })),
        },
      ],
    },
  })),
  {
    // Real gRPC clients and servers on both sides of the gateway.
    files: ['apps/data-plane/**/*.test.ts', 'apps/data-plane/**/*.harness.ts'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: Object.keys(homes)
            .filter((name) => name !== '@grpc/grpc-js')
            .map((name) => ({ name, message: 'Has one home: see eslint.config.mjs.' })),
        },
      ],
    },
  },
  {
    // As users write them: against the SDK by its name.
    files: ['libs/plugin-sdk/examples/**/*.ts'],
    rules: { '@nx/enforce-module-boundaries': 'off' },
  },
  {
    files: ['**/*.test.ts', '**/*.bench.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-non-null-assertion': 'off',
    },
  },
);
