import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The rules alone: all that starts no server. */
const RULES = [
  'test/core/**/*.test.ts',
  'test/adapters/{aws-call,salesforce-refusal,signer}.test.ts',
  'test/runtime/settings.test.ts',
  'test/docs.test.ts',
];

/** Those that take longest. Where nothing is known yet vitest starts with the largest files, and these are small. */
const LONGEST = ['package/template', 'token-rotation/histories', 'token-rotation/crash', 'token-rotation/concurrency'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const isLong = ({ moduleId }: TestSpecification) => LONGEST.some((name) => moduleId.includes(`/test/${name}.`));
    const sorted = await super.sort(files);
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

// Every file is a process of its own, and loads the SDK again: compiled once, that is a tenth of the whole run.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, 'node_modules/.cache/compiled-for-tests');

export default defineConfig({
  test: {
    // Both cores of a small machine: left alone, vitest keeps one for itself.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    sequence: { sequencer: LongestFirst },
    // The second one is read by .ci/run, which counts what passed.
    reporters: ['default', 'json'],
    outputFile: { json: 'node_modules/.cache/test-report.json' },
    // Each file belongs to one of the two: the second one takes what the first one leaves.
    projects: [
      {
        extends: true,
        // They keep nothing between two calls, so that files can share a thread and what it has loaded.
        test: { name: 'rules', include: RULES, pool: 'threads', isolate: false },
      },
      {
        extends: true,
        // Processes rather than threads: tests change the environment and start servers of their own.
        test: { name: 'services', include: ['test/**/*.test.ts'], exclude: RULES, pool: 'forks' },
      },
    ],
  },
});
