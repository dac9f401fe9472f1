import { fileURLToPath } from 'node:url'
import js from '@eslint/js'
import { defineConfig } from 'eslint/config'
import tseslint from 'typescript-eslint'

const root = fileURLToPath(new URL('..', import.meta.url))

const noDefaultExport = {
  selector: 'ExportDefaultDeclaration',
  message: 'Export by name. Only tool configs and piscina tasks have a default export.',
}

const unused = { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'all' }

export default defineConfig(
  { ignores: ['**/node_modules/', 'dist/', 'run/', 'log/', 'coverage/'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  js.configs.recommended,
  {
    rules: {
      eqeqeq: 'error',
      'no-var': 'error',
      'prefer-const': 'error',
      'no-unused-vars': ['error', unused],
      'no-restricted-syntax': ['error', noDefaultExport],
      'no-empty': ['error', { allowEmptyCatch: false }],
    },
  },
  {
    files: ['src/**/*.ts', 'loadtest/**/*.ts', 'native-bench/**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: {
      parserOptions: {
        project: ['tsconfig.json', 'loadtest/tsconfig.json', 'native-bench/tsconfig.json'],
        tsconfigRootDir: root,
      },
    },
    rules: {
      'no-unused-vars': 'off',
      '@typescript-eslint/no-unused-vars': ['error', unused],
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'separate-type-imports' }],
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true, requireDefaultForNonUnion: false },
      ],
      '@typescript-eslint/only-throw-error': 'error',
      // Interfaces here are often records of functions in method form: taking one out of them is no mistake.
      '@typescript-eslint/unbound-method': 'off',
      // Interfaces of callbacks and of machines are often satisfied by methods that need no await or no state.
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    // A test reads answers whose shape it is about to assert.
    files: ['**/*.test.ts', 'src/testing/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
    },
  },
  {
    files: ['config/*.{js,ts}', 'src/shard/main.ts'],
    rules: { 'no-restricted-syntax': 'off' },
  },
  {
    files: ['**/*.ts'],
    languageOptions: { parser: tseslint.parser },
    rules: { 'no-undef': 'off' }, // tsc knows better
  },
  {
    files: ['**/*.{js,mjs}'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          'AbortController,AbortSignal,Buffer,EventSource,Headers,Request,Response,TextDecoder,TextEncoder,URL',
          'URLSearchParams,WebSocket,clearInterval,clearTimeout,console,document,fetch,location,performance,process',
          'queueMicrotask,setImmediate,setInterval,setTimeout,structuredClone,window',
        ]
          .join(',')
          .split(',')
          .map((name) => [name, 'readonly']),
      ),
    },
  },
)
