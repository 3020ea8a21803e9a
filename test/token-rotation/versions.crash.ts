import { expect, it } from 'vitest';
import { codeWorld, faultsOf, TICK, TOKEN_SECRET, ticks } from '../support/code-world.ts';

it('a day of failures at the shortest interval fits into the versions of a secret and loses no token', async () => {
  const world = await codeWorld('rotating', {}, {}, { 'refresh-interval-seconds': '1800' });
  await world.tick();
  world.fault = ({ operation }, phase) =>
    operation === 'UpdateConnectorProfile' && phase === 'before'
      ? { status: 500, code: 'InternalServerException' }
      : undefined;
  let most = 0;
  await ticks(world, 86_400 / TICK, () => {
    most = Math.max(most, world.aws.secrets.versions(TOKEN_SECRET).length);
  });
  process.stdout.write(`\n${most} versions at most\n`);
  expect(most).toBeLessThanOrEqual(100);
  world.fault = undefined;
  await ticks(world, 24);
  expect(faultsOf(world)).toEqual([]);
  expect(world.salesforce.spentTokenUses).toBe(0);
});
