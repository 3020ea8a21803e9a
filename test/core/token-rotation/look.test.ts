import { describe, expect, it } from 'vitest';
import type { AuthorizationCodeConnection } from '../../../functions/core/connection/connection.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { lastRun, lookAtToken } from '../../../functions/core/token-rotation/look.ts';
import { fingerprintOf } from '../../../functions/core/token-rotation/token-record.ts';
import { CODE_CONNECTION, tokenServices } from '../../support/token-services.ts';

const SEED = fingerprintOf(CODE_CONNECTION.seed);
const record = (refreshToken: string) => ({
  connection: 'sf-eu',
  refreshToken,
  accessToken: 'a',
  rotates: true,
  seedFingerprint: SEED,
});

/** @param says what Salesforce answers to the first question, the second and so on */
function world(
  says: (boolean | undefined)[],
  connection: Partial<AuthorizationCodeConnection> = {},
  clientSecret: Redacted | undefined = new Redacted('secret'),
) {
  const asked: string[] = [];
  const services = tokenServices({
    connection,
    endpoint: {
      async isActive(client, token) {
        asked.push(`${client.clientSecret?.reveal()} ${token.reveal()}`);
        return says.shift();
      },
    },
  });
  const rotation = { ...services.rotation, client: async () => ({ clientId: '3MVG9', clientSecret }) };
  return { services, asked, look: () => lookAtToken(rotation), run: () => lastRun(rotation) };
}

function settled(here: ReturnType<typeof world>, refreshToken = 'r1') {
  here.services.seed('v1', record(refreshToken), 'AWSCURRENT');
  here.services.seed('l1', { owner: 'run', heldSeconds: 104 }, 'REFRESH_LEASE', 'REFRESH_RELEASED');
  return here;
}

describe('a look at the refresh token', () => {
  it('asks about the one that is kept, and writes and spends nothing', async () => {
    const here = settled(world([true]));
    await expect(here.look()).resolves.toEqual({ kind: 'active' });
    expect([here.asked, here.services.calls, here.services.sent]).toEqual([['secret r1'], ['current'], []]);
  });

  it('asks about the seed where nothing is kept, and where a person has stored another', async () => {
    const first = world([true]);
    await first.look();
    const reauthorised = settled(world([true], { seed: { refreshToken: new Redacted('another') } }));
    await reauthorised.look();
    expect([first.asked, reauthorised.asked]).toEqual([['secret seed'], ['secret another']]);
  });

  it('calls it dead, with the cure, where no run can have spent it', async () => {
    const finding = await settled(world([false])).look();
    expect(finding).toMatchObject({
      kind: 'dead',
      error: {
        code: 'SALESFORCE_REFUSED',
        next: {
          kind: 'do',
          text: 'Authorise the app again and store the new refresh token in appflow-token-refresher/sf-eu.',
          command: { name: 'authorize', connection: 'sf-eu' },
        },
      },
    });
    // Nobody ever took a lease on a seed.
    await expect(world([false]).look()).resolves.toMatchObject({ kind: 'dead' });
  });

  it('does not call it dead where a run has not let its lease go: what is newer may be under way, or in escrow', async () => {
    const here = settled(world([false]));
    here.services.seed('l2', { owner: 'run', heldSeconds: 104 }, 'REFRESH_LEASE');
    await expect(here.look()).resolves.toMatchObject({ kind: 'unknown', why: expect.stringContaining('was spent') });
  });

  it('asks again where a run has stored the next one meanwhile, once', async () => {
    const here = settled(world([false, true]));
    here.services.before['current'] = (_, nth) => {
      if (nth === 2) here.services.seed('v2', record('r2'), 'AWSCURRENT');
    };
    await expect(here.look()).resolves.toEqual({ kind: 'active' });
    expect(here.asked).toEqual(['secret r1', 'secret r2']);
    const restless = settled(world([false, false, true]));
    restless.services.before['current'] = (_, nth) =>
      restless.services.seed(`v${nth}`, record(`r${nth}`), 'AWSCURRENT');
    await expect(restless.look()).resolves.toMatchObject({ kind: 'unknown' });
    expect(restless.asked).toHaveLength(2);
  });

  it('asks nothing without a client secret, and nothing about a code', async () => {
    const bare = settled(world([]));
    const rotation = bare.services.rotation;
    await expect(lookAtToken(rotation)).resolves.toMatchObject({
      kind: 'unknown',
      why: expect.stringContaining('without a client secret'),
    });
    const code = world([], { seed: { authCode: new Redacted('code'), redirectUri: 'https://example.com/' } });
    await expect(code.look()).resolves.toMatchObject({ kind: 'unknown', why: expect.stringContaining('code') });
    expect([bare.asked, code.asked]).toEqual([[], []]);
  });

  it('proves nothing where Salesforce does not say', async () => {
    await expect(settled(world([undefined])).look()).resolves.toMatchObject({
      kind: 'unknown',
      why: expect.stringContaining('Salesforce tells nothing'),
    });
  });
});

describe('the last run', () => {
  it('is known by its lease, released or not, by the clock of Secrets Manager', async () => {
    const here = settled(world([]));
    const createdAt = here.services.versions.get('l1')?.createdAt ?? 0;
    const known = { begin: new Date(createdAt), end: new Date(createdAt + 106_000) };
    await expect(here.run()).resolves.toMatchObject(known);
    here.services.labels.delete('REFRESH_RELEASED');
    await expect(here.run()).resolves.toMatchObject(known);
  });

  it('is not known where none ever took a lease', async () => {
    await expect(world([]).run()).resolves.toBeUndefined();
  });
});
