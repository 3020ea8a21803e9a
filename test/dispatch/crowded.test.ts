import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);

const LAST_WORD: Readonly<Record<string, string>> = {
  shared: ' and 4,995 more',
  pairs: 'more fail with PROFILE_SHARED',
  missing: 'more fail with PROFILE_NOT_FOUND',
  malformed: 'more fail with SECRET_MALFORMED',
  escrow: 'more refresh tokens wait in escrow',
  overdue: 'more connections have waited',
};

describe('a tick over 5,000 secrets that are wrong', () => {
  it.each(Object.keys(LAST_WORD))(
    'sends what is well, writes little and takes little memory where they are %s',
    async (kind) => {
      const { stdout, stderr } = await run(process.execPath, ['test/support/crowded-tick.ts', kind], {
        env: { ...process.env, POWERTOOLS_LOG_LEVEL: 'DEBUG', POWERTOOLS_METRICS_DISABLED: 'false' },
        maxBuffer: 2 ** 28,
      });
      const log = stdout + stderr;
      const { enqueued, megabytes } = JSON.parse(stderr.slice(stderr.lastIndexOf('{"enqueued"')));
      expect(enqueued).toBeGreaterThanOrEqual(1);
      expect(log.length).toBeLessThan(256 * 1024);
      expect(megabytes).toBeLessThan(200);
      expect(log).toContain(LAST_WORD[kind]);
    },
  );
});
