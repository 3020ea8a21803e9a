import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { crashMatrix, measureWindow, printed, VARIANTS } from '../support/crash/matrix.ts';
import { ProcessPool } from '../support/crash/process.ts';

let pool: ProcessPool;
beforeAll(async () => {
  pool = await ProcessPool.start(3);
});
afterAll(() => pool.end());

describe('a killed process', () => {
  it.each(VARIANTS)('loses no token outside the window in $title', async (variant) => {
    const matrix = await crashMatrix(variant, pool);
    process.stdout.write(`\n${printed(matrix)}`);
    const wrong = matrix.cells.filter(({ verdict }) => verdict !== 'ok' && verdict !== 'window');
    expect(wrong).toEqual([]);
    const window = matrix.cells.filter(({ verdict }) => verdict === 'window');
    // Where rotation is off a lost answer costs nothing, and where the token lies in escrow nothing is lost.
    expect(window.length > 0).toBe(variant.opensWindow);
  });

  it('leaves a window whose length is printed for 100 runs', async () => {
    const lengths = await measureWindow(100, pool);
    const at = (share: number) => (lengths[Math.floor((lengths.length - 1) * share)] ?? 0).toFixed(1);
    process.stdout.write(
      `\nthe window, ${lengths.length} runs: median ${at(0.5)} ms, 90 % up to ${at(0.9)}, shortest ${at(0)}, longest ${at(1)}\n`,
    );
    expect(lengths).toHaveLength(100);
  });
});
