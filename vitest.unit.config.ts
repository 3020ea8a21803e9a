import { defineConfig } from 'vitest/config';

/** The rules alone: all that starts no server. */
export default defineConfig({
  test: {
    include: ['test/{core,adapters,runtime}/**/*.test.ts'],
    exclude: ['test/adapters/salesforce.test.ts', 'test/runtime/telemetry.test.ts'],
    // Rules keep nothing between two calls, so that their files can share a thread and what it has loaded.
    pool: 'threads',
    isolate: false,
    maxWorkers: 2,
    testTimeout: 30_000,
  },
});
