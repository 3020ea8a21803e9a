import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Processes rather than threads: tests change the environment and start servers of their own.
    pool: 'forks',
    // Both cores of a small machine: left alone, vitest keeps one for itself.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // The second one is read by .ci/run, which counts what passed.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/test-report.json' },
  },
});
