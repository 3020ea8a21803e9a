import { expect, it } from 'vitest';
import { histories } from '../support/histories.ts';

it('random histories of ticks, runs, crashes, outages, edits and clocks send no spent token and lose no live one', async () => {
  await expect(histories(40)).resolves.toBeUndefined();
}, 300_000);
