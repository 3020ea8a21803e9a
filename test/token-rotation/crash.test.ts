import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crashMatrix, measureWindow, printed, STEADY } from '../support/crash/matrix.ts';
import { ProcessPool } from '../support/crash/process.ts';

let pool: ProcessPool;
beforeAll(async () => {
  pool = await ProcessPool.start(2);
});
afterAll(() => pool.end());

describe('a process killed in a rotating refresh', () => {
  it('loses a token only between the rotation by Salesforce and the first write to the store', async () => {
    const matrix = await crashMatrix(STEADY, pool);
    process.stdout.write(`\n${printed(matrix)}`);
    const window = matrix.cells
      .filter(({ verdict }) => verdict !== 'ok')
      .map(({ label, phase }) => `${phase} ${label}`);
    expect(window).toEqual(['after salesforce token:refresh_token #1', 'before secretsmanager PutSecretValue #2']);
    expect(matrix.cells.length).toBeGreaterThanOrEqual(20);
  }, 300_000);

  it('can lose a token for less than a second in a median run', async () => {
    const lengths = await measureWindow(12, pool);
    const median = lengths[Math.floor(lengths.length / 2)] ?? 0;
    process.stdout.write(
      `\nthe window, ${lengths.length} runs: median ${median.toFixed(1)} ms, shortest ${lengths[0]?.toFixed(1)}, longest ${lengths.at(-1)?.toFixed(1)}\n`,
    );
    expect(lengths).toHaveLength(12);
    expect(median).toBeLessThan(1_000);
  }, 120_000);
});
