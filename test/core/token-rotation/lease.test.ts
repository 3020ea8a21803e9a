import { v5 } from 'uuid';
import { describe, expect, it } from 'vitest';
import { Redacted } from '../../../functions/core/redacted.ts';
import { type Lease, releaseLease, takeLease, takeNextLease } from '../../../functions/core/token-rotation/lease.ts';
import { fingerprintOf } from '../../../functions/core/token-rotation/token-record.ts';
import { CODE_CONNECTION, TOKENS, tokenServices } from '../../support/token-services.ts';

const NOW = 1_700_000_000_000;
const leaseAfter = (last: string) => v5(`${TOKENS}: lease after ${last}`, v5.URL);

function withCurrent(run: Parameters<typeof tokenServices>[0] = {}) {
  const services = tokenServices({ ...run, run: { now: NOW, deadline: NOW + 45_000, ...run.run } });
  services.seed('c', {}, 'AWSCURRENT');
  return services;
}

/** The state after another run took a lease some milliseconds ago and did not release it. */
function leased(value: unknown, ageMs: number) {
  const services = withCurrent();
  services.labels.set('REFRESH_RELEASED', 'an older lease');
  services.seed('lease-1', value, 'REFRESH_LEASE');
  services.ahead = ageMs;
  return services;
}

describe('taking the lease', () => {
  it('puts a version that follows from the last lease alone and says who holds it for how long', async () => {
    const services = withCurrent();
    await expect(takeLease(services.rotation)).resolves.toEqual({
      leaseId: leaseAfter('none'),
      releasedId: undefined,
      followsRelease: false,
      currentId: 'c',
      lastRequestAt: NOW + 45_000,
    });
    expect(services.calls).toEqual(['stages', 'put:REFRESH_LEASE']);
    expect(services.labels.get('REFRESH_LEASE')).toBe(leaseAfter('none'));
    // Until the deadline, and for as long as a request may be late.
    expect(JSON.parse(services.versions.get(leaseAfter('none'))?.value ?? '')).toEqual({
      owner: 'run-1',
      heldSeconds: 105,
    });
  });

  it('follows a lease that was released without asking how old it is', async () => {
    const services = withCurrent();
    services.seed('lease-1', {}, 'REFRESH_LEASE', 'REFRESH_RELEASED');
    await expect(takeLease(services.rotation)).resolves.toMatchObject({
      leaseId: leaseAfter('lease-1'),
      releasedId: 'lease-1',
      followsRelease: true,
    });
    expect(services.calls).toEqual(['stages', 'put:REFRESH_LEASE']);
  });

  it.each([
    ['holds', { owner: 'x', heldSeconds: 100 }, 102_000, true],
    ['has run out by a millisecond', { owner: 'x', heldSeconds: 100 }, 102_001, false],
    ['says nothing of its time and may hold', { owner: 'x' }, 212_000, true],
    ['says nothing of its time and has surely run out', { owner: 'x' }, 212_001, false],
    ['names no owner', { heldSeconds: 1 }, 212_000, true],
    ['has a negative time', { owner: 'x', heldSeconds: -1 }, 212_000, true],
    ['holds for no time at all', { owner: 'x', heldSeconds: 0 }, 2_001, false],
    ['has a broken time', { owner: 'x', heldSeconds: 0.5 }, 212_000, true],
    ['is no object', 'lease', 212_000, true],
  ])(
    'respects the lease of another run by the clock of Secrets Manager: one that %s',
    async (_, value, ageMs, holds) => {
      const services = leased(value, ageMs);
      const taken = await takeLease(services.rotation);
      if (holds) expect([taken, services.calls]).toEqual(['held-by-another', ['stages', 'version']]);
      else
        expect(taken).toMatchObject({
          leaseId: leaseAfter('lease-1'),
          releasedId: 'an older lease',
          followsRelease: false,
        });
    },
  );

  it('respects a lease that cannot be read yet', async () => {
    const services = leased({}, 9_000_000);
    services.versions.delete('lease-1');
    await expect(takeLease(services.rotation)).resolves.toBe('held-by-another');
  });

  it('looks again where another run was quicker', async () => {
    const services = withCurrent();
    services.seed(leaseAfter('none'), { owner: 'another', heldSeconds: 105 });
    await expect(takeLease(services.rotation)).resolves.toBe('again');
  });

  it('asks nobody with less time left than an exchange and its safekeeping may take', async () => {
    const late = withCurrent({ run: { deadline: NOW + 23_999 } });
    await expect(takeLease(late.rotation)).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
      message: "The function's deadline came during the wait of sf-eu for its turn.",
    });
    expect(late.calls).toEqual([]);
    await expect(takeLease(withCurrent({ run: { deadline: NOW + 24_000 } }).rotation)).resolves.toMatchObject({
      lastRequestAt: NOW + 24_000,
    });
  });
});

describe('the lease after a run has slept beyond its own', () => {
  const mine: Lease = {
    leaseId: 'lease-1',
    releasedId: 'lease-0',
    followsRelease: true,
    currentId: 'c',
    lastRequestAt: NOW - 1,
  };

  it('follows its own and gives time for one request', async () => {
    const services = withCurrent({ run: { deadline: NOW + 9_999 } });
    await expect(takeNextLease(mine, services.rotation)).resolves.toEqual({
      ...mine,
      leaseId: leaseAfter('lease-1'),
      lastRequestAt: NOW + 10_000,
    });
    expect(JSON.parse(services.versions.get(leaseAfter('lease-1'))?.value ?? '')).toMatchObject({ heldSeconds: 70 });
  });

  it('rounds the time for which it holds up to whole seconds', async () => {
    const services = withCurrent({ run: { deadline: NOW + 30_001 } });
    await takeNextLease(mine, services.rotation);
    expect(JSON.parse(services.versions.get(leaseAfter('lease-1'))?.value ?? '')).toMatchObject({ heldSeconds: 91 });
  });

  it('is not had where another run has taken over', async () => {
    const services = withCurrent();
    services.seed(leaseAfter('lease-1'), { owner: 'another' });
    await expect(takeNextLease(mine, services.rotation)).resolves.toBeUndefined();
  });

  it('is let go by a move of the label from the lease that was released last', async () => {
    const services = withCurrent();
    services.labels.set('REFRESH_RELEASED', 'lease-0');
    await releaseLease(mine, services.rotation);
    expect([services.calls, services.labels.get('REFRESH_RELEASED')]).toEqual([['move:REFRESH_RELEASED'], 'lease-1']);
  });
});

describe('a token secret that does not exist yet', () => {
  const firstId = (seed = CODE_CONNECTION.seed) => v5(`${TOKENS} from ${fingerprintOf(seed)}`, v5.URL);

  it('is made from the refresh token of the seed, and then everything is looked at again', async () => {
    const services = tokenServices();
    await expect(takeLease(services.rotation)).resolves.toBe('again');
    expect(services.calls).toEqual(['stages', 'create']);
    expect([services.labels.get('AWSCURRENT'), services.current()]).toEqual([
      firstId(),
      {
        connection: 'sf-eu',
        refreshToken: 'seed',
        rotates: false,
        seedFingerprint: fingerprintOf(CODE_CONNECTION.seed),
      },
    ]);
  });

  it('is made without a fingerprint where the seed is a code, which is no token yet', async () => {
    const seed = { authCode: new Redacted('code'), redirectUri: 'https://a.example' };
    const services = tokenServices({ connection: { seed } });
    await takeLease(services.rotation);
    expect([services.labels.get('AWSCURRENT'), services.current()]).toEqual([
      firstId(seed),
      { connection: 'sf-eu', rotates: false },
    ]);
  });

  it('is given its first value where an operator has made it without one', async () => {
    const services = tokenServices({ isEmptySecret: true });
    await expect(takeLease(services.rotation)).resolves.toBe('again');
    expect(services.calls).toEqual(['stages', 'create', 'put:REFRESH_FIRST', 'stages']);
    expect(services.labels.get('AWSCURRENT')).toBe(firstId());
  });

  it('is given the label AWSCURRENT only where no version has it', async () => {
    const services = tokenServices();
    services.seed('announced', {}, 'AWSPENDING');
    await expect(takeLease(services.rotation)).resolves.toBe('again');
    expect(services.calls).toEqual(['stages', 'create', 'put:REFRESH_FIRST', 'stages', 'move:AWSCURRENT']);
    expect(services.labels.get('AWSCURRENT')).toBe(firstId());
  });
});
