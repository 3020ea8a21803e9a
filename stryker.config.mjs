/**
 * Mutation testing of the rules: https://stryker-mutator.io/docs/stryker-js/configuration/. No mutator is left out, and no mutant.
 *
 * The runner is not made for Vitest 5 yet: every mutant would survive there (https://github.com/stryker-mutator/stryker-js/issues/6210).
 */
export default {
  mutate: ['functions/core/**/*.ts'],
  testRunner: 'vitest',
  // Without a checker of types: it would take two seconds a mutant, and only ever says of a survivor that it would not compile.
  plugins: ['@stryker-mutator/vitest-runner'],
  vitest: { configFile: 'vitest.mutation.config.ts', related: false, pool: 'threads' },
  coverageAnalysis: 'perTest',
  // Both cores of a small machine.
  concurrency: 2,
  // Milliseconds, besides the time that the tests took at first: a busy machine is no endless loop.
  timeoutMS: 30_000,
  // Used with --incremental alone. It is quick and may be wrong: it does not see a change of what tests have in common, nor that a constant is covered by now.
  incrementalFile: 'node_modules/.cache/mutation/incremental.json',
  reporters: ['clear-text', 'json'],
  jsonReporter: { fileName: 'node_modules/.cache/mutation/report.json' },
  clearTextReporter: { logTests: false, reportTests: false },
  // Mutants of what is evaluated when a module is loaded, such as the tables of limits and of error codes, run every test. They are worth it.
  warnings: { slow: false },
  thresholds: { high: 98, low: 95, break: 95 },
};
