import { afterAll, beforeAll, expect, it } from 'vitest';
import { ProcessPool } from '../support/crash/process.ts';
import { packagedRefresh, printed, slowCell } from '../support/crash/slow-matrix.ts';

let pool: ProcessPool;
beforeAll(async () => {
  pool = await ProcessPool.start(3);
});
afterAll(() => pool.end());

/** A sample of the slow matrix, which `npm run test:crash` runs in full. */
it('the packaged refresh loses no token where Salesforce answers just in time or the store just too late', async () => {
  const start = await packagedRefresh();
  const cells = await Promise.all(
    (
      [
        { label: 'secretsmanager PutSecretValue #2', phase: 'before', delay: 'just over' },
        { label: 'salesforce token:refresh_token #1', phase: 'before', delay: 'just under' },
      ] as const
    ).map((moment) => slowCell(moment, start, pool)),
  );
  process.stdout.write(`\n${printed(cells)}`);
  expect(cells.map(({ verdict }) => verdict)).toEqual(['ok', 'ok']);
  expect(cells.map(({ outcomes }) => outcomes)).toEqual([
    ['refreshed', 'refreshed', 'refreshed'],
    ['refreshed', 'refreshed', 'refreshed'],
  ]);
}, 120_000);
