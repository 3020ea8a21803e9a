import { defineConfig } from 'vitest/config';

/** What a mutant of `functions/core/` must survive: the tests of the rules alone, which start no server. */
export default defineConfig({
  test: {
    include: ['test/core/**/*.test.ts'],
    pool: 'threads',
    testTimeout: 30_000,
  },
});
