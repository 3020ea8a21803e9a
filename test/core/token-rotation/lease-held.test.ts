import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import type { Lease } from '../../../functions/core/token-rotation/lease.ts';
import { LeaseHeld } from '../../../functions/core/token-rotation/lease-held.ts';
import type { TokenRecord } from '../../../functions/core/token-rotation/token-record.ts';
import { down, TOKENS, type TokenServicesOptions, tokenServices, unanswered } from '../../support/token-services.ts';

const NOW = 1_700_000_000_000;
const LEASE = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
const NEXT = v5('next after c', LEASE);
const AFTER = v5(`${TOKENS}: lease after ${LEASE}`, v5.URL);
const RECORD: TokenRecord = { connection: 'sf-eu', refreshToken: 'next', accessToken: 'access', rotates: true };

/** A run that holds the lease, of a secret whose current version is `c`. */
function holding(lease: Partial<Lease> = {}, options: TokenServicesOptions = {}) {
  const services = tokenServices({ ...options, run: { now: NOW, deadline: NOW + 45_000, ...options.run } });
  services.seed('c', { connection: 'sf-eu', rotates: false }, 'AWSCURRENT');
  services.labels.set('REFRESH_RELEASED', 'r');
  const held = new LeaseHeld(
    {
      leaseId: LEASE,
      releasedId: 'r',
      followsRelease: true,
      currentId: 'c',
      lastRequestAt: services.run.deadline,
      ...lease,
    },
    services.rotation,
  );
  return { services, held };
}

/** The same, with a new token that is to be stored. */
async function obtained(...given: Parameters<typeof holding>) {
  const { services, held } = holding(...given);
  await held.current();
  held.obtained(RECORD, undefined);
  services.calls.length = 0;
  return { services, held };
}

const released = { labels: 'REFRESH_RELEASED', to: LEASE };
const isReleased = (services: ReturnType<typeof tokenServices>) => services.labels.get(released.labels) === released.to;

describe('what is current under the lease', () => {
  it('is read at once where the last lease was released', async () => {
    const { services, held } = holding();
    await expect(held.current()).resolves.toMatchObject({ versionId: 'c' });
    expect(services.calls).toEqual(['current']);
    await held.release();
    expect(isReleased(services)).toBe(true);
  });

  it('is unknown where it differs from what the labels said', async () => {
    await expect(holding({ currentId: 'another' }).held.current()).resolves.toBeUndefined();
    const { services, held } = holding();
    services.labels.delete('AWSCURRENT');
    await expect(held.current()).resolves.toBeUndefined();
    const lost = holding({ followsRelease: false });
    lost.services.labels.delete('AWSCURRENT');
    await expect(lost.held.current()).resolves.toBeUndefined();
  });

  it('is read after escrow was looked at, where the last lease ran out', async () => {
    const { services, held } = holding({ followsRelease: false, currentId: 'another' });
    await expect(held.current()).resolves.toMatchObject({ versionId: 'c' });
    expect(services.calls).toEqual(['find', 'current']);
    await held.release();
    expect(isReleased(services)).toBe(true);
  });

  it('leaves the lease to run out where escrow could not be looked at, so that the next run looks there', async () => {
    const { services, held } = holding({ followsRelease: false });
    services.before['find'] = () => {
      throw down();
    };
    await expect(held.current()).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    await held.release();
    expect(isReleased(services)).toBe(false);
  });
});

describe('storing a new token', () => {
  it('does nothing where there is none', async () => {
    const { services, held } = holding();
    await held.persist();
    expect(services.calls).toEqual([]);
  });

  it('puts it once, under an id that follows from the lease and from what was current', async () => {
    const { services, held } = await obtained();
    const given: unknown[] = [];
    services.before['put:AWSCURRENT'] = ([version]) => {
      given.push(version);
    };
    await held.persist();
    await expect(held.use('held', async (it) => `used ${it}`)).resolves.toBe('used held');
    await held.release();
    expect(services.calls).toEqual(['put:AWSCURRENT', 'cancel', 'move:REFRESH_RELEASED']);
    expect([services.labels.get('AWSCURRENT'), services.current()]).toEqual([NEXT, RECORD]);
    expect(given).toMatchObject([{ name: TOKENS, versionId: NEXT, attempts: 1 }]);
    expect(given[0]).not.toHaveProperty('stages');
  });

  it('puts it under the id and labels of a rotation that asked for it', async () => {
    const { services, held } = holding();
    await held.current();
    held.obtained(RECORD, 'rotation');
    await held.persist();
    expect(services.labels.get('AWSCURRENT')).toBe('rotation');
    expect(services.labels.get('AWSPENDING')).toBe('rotation');
  });

  it('is not aborted by the deadline', async () => {
    const { services, held } = await obtained({}, { run: { signal: AbortSignal.abort() } });
    let isAborted: unknown;
    services.before['put:AWSCURRENT'] = ([, run]) => {
      isAborted = Object(run).signal.aborted;
    };
    await held.persist();
    expect(isAborted).toBe(false);
  });

  it('puts it into escrow besides where the store refuses, asks again, and empties escrow', async () => {
    const { services, held } = await obtained();
    const escrowed: unknown[] = [];
    services.before['put:AWSCURRENT'] = (_, nth) => {
      escrowed.push(JSON.parse(services.escrowed ?? 'null'));
      if (nth < 3) throw down();
    };
    await held.persist();
    expect(services.calls).toEqual([
      'put:AWSCURRENT',
      'cancel',
      'keep',
      'put:AWSCURRENT',
      'cancel',
      'put:AWSCURRENT',
      'cancel',
      'remove',
    ]);
    expect(escrowed).toEqual([
      null,
      { after: 'c', versionId: NEXT, record: RECORD },
      { after: 'c', versionId: NEXT, record: RECORD },
    ]);
    expect(services.run.waits).toEqual([150, 300]);
    await expect(held.use(1, async () => 2)).resolves.toBe(2);
    await held.release();
    expect([services.escrowed, isReleased(services), services.run.warnings]).toEqual([undefined, true, []]);
  });

  it('keeps ten seconds for the hand-over where the token is in escrow, and then reports where it is', async () => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = () => {
      throw down();
    };
    await held.persist();
    expect(services.run.waits).toEqual([150, 300, 600, 1_200, 2_400, 3_750, 3_750, 3_750, 3_750, 3_750, 3_750, 3_750]);
    expect(services.calls.filter((call) => call === 'keep')).toHaveLength(1);
    let used: unknown;
    await expect(held.use('held', async (it) => (used = it))).rejects.toMatchObject({
      code: 'TOKEN_NOT_PERSISTED',
      message:
        'A new refresh token could not be stored in appflow-token-refresher-tokens/sf-eu. It is kept in /escrow/sf-eu.',
      hint: 'See why appflow-token-refresher-tokens/sf-eu takes no value (quota, key policy, outage). The next run stores the token from there by itself; do not delete it, and do not delete the secret.',
      cause: { code: 'SECRETS_UNAVAILABLE' },
    });
    expect(used).toBe('held');
    await held.release();
    expect(isReleased(services)).toBe(false);
  });

  it('asks until the deadline where the token is nowhere yet, and tells a person', async () => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = () => {
      throw down();
    };
    services.before['keep'] = () => {
      throw new TypeError('no such thing');
    };
    await held.persist();
    expect(services.run.now()).toBeGreaterThan(NOW + 39_000);
    expect(services.run.now()).toBeLessThan(NOW + 45_000);
    expect(services.calls.filter((call) => call === 'keep').length).toBe(services.run.waits.length + 1);
    expect(services.run.warnings[0]).toEqual({
      connection: 'sf-eu',
      message: 'the new refresh token could not be put into escrow (TypeError)',
    });
    await expect(held.use(1, async () => 2)).rejects.toMatchObject({
      code: 'TOKEN_NOT_PERSISTED',
      message:
        'A new refresh token could not be stored in appflow-token-refresher-tokens/sf-eu. It could not be put into escrow either.',
      next: {
        kind: 'do',
        text: 'See why neither appflow-token-refresher-tokens/sf-eu nor Parameter Store takes a value; if no later run succeeds, authorise the app again and store the new refresh token in appflow-token-refresher/sf-eu.',
        command: { name: 'authorize', connection: 'sf-eu' },
      },
      cause: { code: 'SECRETS_UNAVAILABLE' },
    });
  });

  it.each([
    [10_200, 0],
    [10_201, 1],
  ])('sleeps only while that leaves the time for a hand-over: %i ms', async (left, waits) => {
    const { services, held } = await obtained({}, { run: { deadline: NOW + left } });
    services.before['put:AWSCURRENT'] = () => {
      throw down();
    };
    await held.persist();
    expect(services.run.waits).toHaveLength(waits);
  });

  it('jitters its waits between half of the bound and the whole', async () => {
    for (const [random, wait] of [
      [0, 100],
      [1, 200],
    ] as const) {
      const { services, held } = await obtained({}, { run: { random: () => random } });
      services.before['put:AWSCURRENT'] = (_, nth) => {
        if (nth === 1) throw down();
      };
      await held.persist();
      expect(services.run.waits).toEqual([wait]);
    }
  });

  it('says so where another value holds the id', async () => {
    const { services, held } = await obtained({}, { run: { deadline: NOW + 10_001 } });
    services.seed(NEXT, 'something else');
    await held.persist();
    await expect(held.use(1, async () => 2)).rejects.toMatchObject({
      code: 'TOKEN_NOT_PERSISTED',
      cause: new Error('another value holds the version id'),
    });
  });

  it('goes into escrow beside a put that is slow, and is taken out once that has answered', async () => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = async () => {
      services.run.ring();
      // Until the copy is kept, or for ever.
      while (services.escrowed === undefined) await new Promise((later) => setTimeout(later));
    };
    await held.persist();
    expect(services.calls).toEqual(['put:AWSCURRENT', 'cancel', 'keep', 'remove']);
    expect([services.labels.get('AWSCURRENT'), services.escrowed, services.run.waits]).toEqual([NEXT, undefined, []]);
  });

  it('keeps its lease where a copy for escrow got no answer', async () => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = (_, nth) => {
      if (nth === 1) throw down();
    };
    services.before['keep'] = () => {
      throw unanswered();
    };
    await held.persist();
    // Escrow is emptied all the same: the copy may have been kept.
    expect(services.calls.at(-1)).toBe('remove');
    await held.release();
    expect(isReleased(services)).toBe(false);
    expect(services.run.warnings).toEqual([
      {
        connection: 'sf-eu',
        message: 'the new refresh token could not be put into escrow (SECRETS_UNAVAILABLE, Secrets Manager is down.)',
      },
    ]);
  });

  it('lets its lease go where the copy was refused for good', async () => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = (_, nth) => {
      if (nth === 1) throw down();
    };
    services.before['keep'] = () => {
      throw down();
    };
    await held.persist();
    await held.release();
    expect(isReleased(services)).toBe(true);
  });

  it('keeps its lease where escrow could not be emptied, and warns', async () => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = (_, nth) => {
      if (nth === 1) throw down();
    };
    services.before['remove'] = () => {
      throw 'a word';
    };
    await held.persist();
    await expect(held.use(1, async () => 2)).resolves.toBe(2);
    await held.release();
    expect(isReleased(services)).toBe(false);
    expect(services.run.warnings).toEqual([
      {
        connection: 'sf-eu',
        message:
          'the refresh token is stored, but its copy in escrow could not be deleted; the next refresh tries again (an unnamed error)',
      },
    ]);
  });
});

describe('a run that has slept beyond its lease', () => {
  it('takes the next lease before it stores, and stores under the same id', async () => {
    const { services, held } = await obtained({ lastRequestAt: NOW });
    await held.persist();
    expect(services.calls).toEqual(['put:REFRESH_LEASE', 'put:AWSCURRENT', 'cancel']);
    expect(services.labels.get('REFRESH_LEASE')).toBe(AFTER);
    expect(services.labels.get('AWSCURRENT')).toBe(NEXT);
    await held.release();
    expect(services.labels.get('REFRESH_RELEASED')).toBe(AFTER);
  });

  it('stores nothing and puts nothing into escrow where another run has taken over', async () => {
    const { services, held } = await obtained({ lastRequestAt: NOW }, { run: { deadline: NOW + 150 } });
    services.seed(AFTER, { owner: 'another' });
    await held.persist();
    expect(services.calls.filter((call) => call !== 'cancel')).toEqual(['put:REFRESH_LEASE', 'put:REFRESH_LEASE']);
    await expect(held.use(1, async () => 2)).rejects.toMatchObject({
      code: 'TOKEN_NOT_PERSISTED',
      cause: new Error('another run has taken over'),
    });
  });

  it('leaves escrow to the run that has taken over', async () => {
    const { services, held } = await obtained({ lastRequestAt: NOW + 151 });
    services.before['put:AWSCURRENT'] = (_, nth) => {
      if (nth === 1) throw down();
    };
    // The second put is sent just in time; by its answer another run has taken over.
    services.after['put:AWSCURRENT'] = async () => {
      await services.run.sleep(1_000);
      services.seed(AFTER, { owner: 'another' });
    };
    await held.persist();
    expect(services.calls).not.toContain('remove');
    expect(services.labels.get('AWSCURRENT')).toBe(NEXT);
    await held.release();
    expect(isReleased(services)).toBe(false);
  });

  it('does not release', async () => {
    const { services, held } = holding({ lastRequestAt: NOW });
    await held.release();
    expect(services.calls).toEqual([]);
    const inTime = holding({ lastRequestAt: NOW + 1 });
    await inTime.held.release();
    expect(isReleased(inTime.services)).toBe(true);
  });
});

describe('using the tokens', () => {
  const failing = async () => {
    throw down();
  };

  it('throws what the use throws, and lets the lease go', async () => {
    const { services, held } = holding();
    await expect(held.use(1, failing)).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(services.calls).toEqual([]);
    await held.release();
    expect(isReleased(services)).toBe(true);
  });

  it('keeps the lease where a request of the use may still arrive', async () => {
    const { services, held } = holding();
    await expect(
      held.use(1, async () => {
        throw unanswered();
      }),
    ).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    await held.release();
    expect(isReleased(services)).toBe(false);
  });

  it('reports the token that was not stored before a failed hand-over, which is a warning', async () => {
    const { services, held } = await obtained({}, { run: { deadline: NOW + 10_001 } });
    services.before['put:AWSCURRENT'] = () => {
      throw down();
    };
    await held.persist();
    await expect(held.use(1, failing)).rejects.toMatchObject({ code: 'TOKEN_NOT_PERSISTED' });
    expect(services.run.warnings).toEqual([
      { connection: 'sf-eu', message: 'the hand-over failed as well (SECRETS_UNAVAILABLE, Secrets Manager is down.)' },
    ]);
  });

  it('stores the new access token where the hand-over failed, which saves the next attempt an exchange', async () => {
    const { services, held } = await obtained();
    await expect(held.use(1, failing)).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(services.calls).toEqual(['put:AWSCURRENT']);
    expect([services.current(), services.run.warnings]).toEqual([RECORD, []]);
    await held.release();
    expect(isReleased(services)).toBe(true);
  });

  it('does not store it twice where it is stored, nor where the lease is over', async () => {
    const stored = await obtained();
    await stored.held.persist();
    stored.services.calls.length = 0;
    await expect(stored.held.use(1, failing)).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(stored.services.calls).toEqual([]);
    const over = await obtained({ lastRequestAt: NOW });
    await expect(over.held.use(1, failing)).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(over.services.calls).toEqual([]);
  });

  it.each([
    ['refused', down, true],
    ['not answered', unanswered, false],
  ] as const)('warns where the store has %s that', async (_, error, lets) => {
    const { services, held } = await obtained();
    services.before['put:AWSCURRENT'] = () => {
      throw error();
    };
    await expect(held.use(1, failing)).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(services.run.warnings).toEqual([
      {
        connection: 'sf-eu',
        message:
          'the new access token was not stored; the next refresh exchanges again (SECRETS_UNAVAILABLE, Secrets Manager is down.)',
      },
    ]);
    await held.release();
    expect(isReleased(services)).toBe(lets);
  });

  it('warns where the lease could not be released', async () => {
    const { services, held } = holding();
    services.before['move:REFRESH_RELEASED'] = () => {
      throw down();
    };
    await held.release();
    expect(services.run.warnings).toEqual([
      {
        connection: 'sf-eu',
        message:
          'the lease on its token secret was not released; the next refresh may have to wait up to four minutes (SECRETS_UNAVAILABLE, Secrets Manager is down.)',
      },
    ]);
  });

  it('keeps the lease where somebody says that a request may still arrive', async () => {
    const { services, held } = holding();
    held.mayStillArrive();
    await held.release();
    expect(services.calls).toEqual([]);
  });
});
