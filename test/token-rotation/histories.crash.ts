import { expect, it } from 'vitest';
import { BEHAVIOURS } from '../support/code-world.ts';
import { histories } from '../support/histories.ts';

it.each(BEHAVIOURS)('no history of a thousand sends a spent token or loses a live one: %s', async (behaviour) => {
  await expect(histories(1_000, [behaviour])).resolves.toBeUndefined();
});
