import { expect, it } from 'vitest';
import { BEHAVIOURS } from '../support/code-world.ts';
import { histories } from '../support/histories.ts';

it.each(BEHAVIOURS)(
  'a thousand random histories send no spent token and lose no live one when Salesforce is %s',
  async (behaviour) => {
    await expect(histories(1_000, [behaviour])).resolves.toBeUndefined();
  },
);
