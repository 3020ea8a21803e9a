import { expect, it } from 'vitest';
import { histories } from '../support/histories.ts';

it('no history of ticks, runs, crashes, outages, edits and clocks sends a spent token or loses a live one', async () => {
  await expect(histories(100)).resolves.toBeUndefined();
}, 120_000);
