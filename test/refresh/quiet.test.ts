import { describe, expect, it } from 'vitest';
import { INTERVAL, TICK } from '../support/code-world.ts';
import { CODE_APP, type TestWorld, testWorld, USER } from '../support/world.ts';

const ROTATING_APP = 'rotating-app';

/** One connection of every grant and hand-over. */
async function everyKind(world: TestWorld): Promise<string[]> {
  world.aws.appflow.supportedGrants = ['AUTHORIZATION_CODE', 'JWT_BEARER', 'CLIENT_CREDENTIALS'];
  world.salesforce.registerApp({
    clientId: ROTATING_APP,
    clientSecret: 'rotating-secret',
    users: [USER],
    rotation: true,
  });
  const rotating = async () => ({
    clientId: ROTATING_APP,
    clientSecret: 'rotating-secret',
    refreshToken: (await world.salesforce.issueRefreshToken(ROTATING_APP, USER)).refreshToken,
  });
  const redirectUri = 'http://127.0.0.1:8400/';
  const authCode = await world.salesforce.issueAuthCode(CODE_APP, USER, redirectUri);
  world.addJwt('jwt');
  world.addJwt('jwt-access-token', { handOver: 'ACCESS_TOKEN' });
  await world.addCode('code');
  await world.addCode('code-access-token', { handOver: 'ACCESS_TOKEN' });
  await world.addCode('code-seeded-by-code', { refreshToken: undefined, oAuthRequest: { authCode, redirectUri } });
  await world.addCode('code-rotating', await rotating());
  await world.addCode('code-rotating-access-token', { ...(await rotating()), handOver: 'ACCESS_TOKEN' });
  world.addClient('client-arn');
  world.addClient('client-access-token', { handOver: 'ACCESS_TOKEN' });
  return world.aws.appflow.profiles().map(({ name }) => name);
}

/** How often each profile was updated. */
function updates(world: TestWorld): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { operation, input } of world.aws.calls) {
    if (operation !== 'UpdateConnectorProfile') continue;
    const { connectorProfileName: name } = input as { connectorProfileName: string };
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

describe('a refreshed connection of any grant and hand-over', () => {
  it.each([0, 300])('is left alone until its interval is over when lists lag by %i s', async (lag) => {
    const world = await testWorld();
    const names = await everyKind(world);
    const each = (count: number) => Object.fromEntries(names.map((name) => [name, count]));
    world.clock.turn(lag);
    await world.tick();
    world.aws.secrets.listLagSeconds = lag;
    expect(updates(world)).toEqual(each(1));
    for (let interval = 1; interval <= 3; interval++) {
      for (let tick = 1; tick < INTERVAL / TICK; tick++) {
        world.clock.turn(TICK);
        const scheduledTime = new Date(world.clock.now()).toISOString();
        expect(await world.invoke('dispatch', { scheduledTime })).toMatchObject({ due: 0, enqueued: 0 });
        await world.serveQueue();
      }
      expect(updates(world)).toEqual(each(interval));
      world.clock.turn(TICK);
      await world.tick();
      expect(updates(world)).toEqual(each(interval + 1));
    }
    expect(world.salesforce.spentTokenUses).toBe(0);
    for (const name of names) expect(await world.aws.appflow.useConnection(name)).toMatchObject({ ok: true });
  });

  it('starts a new interval after a refresh by hand', async () => {
    const world = await testWorld();
    const names = await everyKind(world);
    await world.tick();
    world.clock.turn(INTERVAL / 2);
    expect(await world.refresh(names)).toMatchObject({ ok: true });
    for (let tick = 1; tick < INTERVAL / TICK; tick++) {
      world.clock.turn(TICK);
      await world.tick();
    }
    expect(updates(world)).toEqual(Object.fromEntries(names.map((name) => [name, 2])));
  });
});
