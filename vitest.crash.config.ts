import { defineConfig } from 'vitest/config';

/** What takes minutes: every kill, and thousands of histories. */
export default defineConfig({
  test: {
    include: ['test/token-rotation/*.crash.ts'],
    pool: 'forks',
    testTimeout: 3_600_000,
    hookTimeout: 60_000,
  },
});
