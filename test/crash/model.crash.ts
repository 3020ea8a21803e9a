import { expect, it } from 'vitest';
import { histories } from './histories.ts';
import { BEHAVIOURS } from './support.ts';

it.each(BEHAVIOURS)('no history of a thousand sends a spent token or loses a live one: %s', async (behaviour) => {
  await expect(histories(1_000, [behaviour])).resolves.toBeUndefined();
});
