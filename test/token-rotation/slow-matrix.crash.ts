import { afterAll, beforeAll, expect, it } from 'vitest';
import { ProcessPool } from '../support/crash/process.ts';
import { callsOf, packagedRefresh, printed, type SlowCell, slowCell } from '../support/crash/slow-matrix.ts';

let pool: ProcessPool;
beforeAll(async () => {
  pool = await ProcessPool.start(4);
});
afterAll(() => pool.end());

it('loses no token however slow a call of a rotating refresh is, but where the answer of the exchange is lost', async () => {
  const start = await packagedRefresh();
  const cells: SlowCell[] = [];
  const labels = await callsOf(start, pool);
  for (const [delay, phase] of [
    ['just under', 'before'],
    ['just over', 'before'],
    ['just over', 'after'],
    ['held', 'before'],
    ['held', 'after'],
  ] as const) {
    // They mostly wait, so they wait together.
    cells.push(...(await Promise.all(labels.map((label) => slowCell({ label, phase, delay }, start, pool)))));
  }
  process.stdout.write(`\n${printed(cells)}`);
  expect(cells.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'window')).toEqual([]);
  const inWindow = cells.filter(({ verdict }) => verdict === 'window').map(({ label }) => label);
  expect(new Set(inWindow)).toEqual(new Set(['salesforce token:refresh_token #1']));
});
