import { describe, expect, it } from 'vitest';
import { RefreshError } from '../../../functions/core/errors.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { type Demand, type LiveTokens, Stale, withTokens } from '../../../functions/core/token-rotation/protocol.ts';
import { fingerprintOf } from '../../../functions/core/token-rotation/token-record.ts';
import {
  CODE_CONNECTION,
  down,
  type TokenServicesOptions,
  tokenServices,
  tokens,
  unanswered,
} from '../../support/token-services.ts';

const NOW = Date.parse('2026-11-24T09:00:00.000Z');
const SEED = fingerprintOf(CODE_CONNECTION.seed);
const RECORD = {
  connection: 'sf-eu',
  refreshToken: 'r1',
  accessToken: 'a1',
  obtainedAt: '2026-11-24T08:00:00.000Z',
  rotates: true,
  seedFingerprint: SEED,
};

/** A secret with tokens, whose last lease was released. */
function stored(record: object = RECORD, options: TokenServicesOptions = {}) {
  const services = tokenServices({ ...options, run: { now: NOW, ...options.run } });
  services.seed('c', record, 'AWSCURRENT');
  services.seed('lease-0', {}, 'REFRESH_LEASE', 'REFRESH_RELEASED');
  return services;
}

const use = async ({ accessToken, refreshToken, rotates, storedAt }: LiveTokens) => ({
  access: accessToken.reveal(),
  refresh: refreshToken.reveal(),
  rotates,
  storedAt,
});
const isReleased = ({ labels }: ReturnType<typeof tokenServices>) =>
  labels.get('REFRESH_LEASE') === labels.get('REFRESH_RELEASED');
const EXCHANGE: Demand = { kind: 'exchange' };

describe('an exchange', () => {
  it('makes the secret at first use, sends the seed, stores what comes back, and lets the lease go', async () => {
    const services = tokenServices({ run: { now: NOW } });
    services.issued.push(tokens('a1', 'r1'));
    await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toEqual({
      outcome: 'done',
      result: { access: 'a1', refresh: 'r1', rotates: true, storedAt: undefined },
    });
    expect(services.calls).toEqual([
      'stages',
      'create',
      'stages',
      'put:REFRESH_LEASE',
      'find',
      'current',
      'client',
      'exchange',
      'put:AWSCURRENT',
      'cancel',
      'move:REFRESH_RELEASED',
    ]);
    expect(services.sent).toEqual(['seed']);
    expect(services.current()).toEqual({ ...RECORD, obtainedAt: '2026-11-24T09:00:00.000Z' });
    expect(services.run.warnings).toEqual([
      {
        connection: 'sf-eu',
        message:
          'Salesforce returned a new refresh token: refresh token rotation is on. From now on AppFlow is given the access token alone, since a refresh token that both sides spend is revoked.',
      },
    ]);
  });

  it('sends the stored token where the seed is the one that it comes from, and warns of rotation once only', async () => {
    const services = stored();
    services.issued.push(tokens('a2', 'r2'));
    await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toMatchObject({ result: { access: 'a2' } });
    expect([services.sent, services.run.warnings]).toEqual([['r1'], []]);
    expect(services.calls).not.toContain('current of operator');
    expect(services.current()).toMatchObject({ refreshToken: 'r2', accessToken: 'a2' });
  });

  it('stores nothing where nothing but the access token is new', async () => {
    const services = stored({ ...RECORD, rotates: false });
    await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toMatchObject({
      result: { access: 'access-1', refresh: 'r1', rotates: false },
    });
    expect(services.calls).not.toContain('put:AWSCURRENT');
    expect(services.run.warnings).toEqual([]);
    expect(isReleased(services)).toBe(true);
  });

  it('stores the first access token although the refresh token is the same', async () => {
    const { accessToken: _, obtainedAt: _at, ...first } = RECORD;
    const services = stored({ ...first, rotates: false });
    await withTokens(services.rotation, EXCHANGE, use);
    expect(services.current()).toMatchObject({ accessToken: 'access-1', refreshToken: 'r1' });
  });

  it('stores what a new seed brings although it brings no other refresh token', async () => {
    const services = stored({ ...RECORD, refreshToken: 'seed', rotates: false, seedFingerprint: 'another' });
    await withTokens(services.rotation, EXCHANGE, use);
    expect(services.current()).toMatchObject({ accessToken: 'access-1', seedFingerprint: SEED });
  });

  it('sends a code with its redirect, and takes the refresh token that comes back', async () => {
    const seed = { authCode: new Redacted('code'), redirectUri: 'https://a.example' };
    const services = stored({ ...RECORD, rotates: false }, { connection: { seed } });
    services.operatorSecret = '{"oAuthRequest":{"authCode":"code","redirectUri":"https://a.example"}}';
    services.issued.push(tokens('a2', 'r2'));
    await withTokens(services.rotation, EXCHANGE, use);
    expect(services.sent).toEqual(['code https://a.example']);
    expect(services.current()).toMatchObject({ refreshToken: 'r2', rotates: false });
    // Used once: the next exchange sends what the code has brought.
    await withTokens(services.rotation, EXCHANGE, use);
    expect(services.sent).toEqual(['code https://a.example', 'r2']);
  });

  it('has nothing to send where an earlier one brought no refresh token', async () => {
    const { refreshToken: _, ...without } = RECORD;
    const services = stored(without);
    await expect(withTokens(services.rotation, EXCHANGE, use)).rejects.toMatchObject({
      code: 'SALESFORCE_REFUSED',
      message: 'Salesforce issued no refresh token.',
    });
    expect([services.sent, isReleased(services)]).toEqual([[], true]);
  });

  it('ends early enough to keep what comes back', async () => {
    const services = stored();
    services.before['client'] = () => services.run.sleep(45_000 - 24_000);
    let deadline: unknown;
    services.before['exchange'] = ([, run]) => {
      deadline = Object(run).deadline;
    };
    await withTokens(services.rotation, EXCHANGE, use);
    expect([services.sent, deadline]).toEqual([['r1'], NOW + 45_000 - 24_000]);
  });

  it('does not begin where that time is not left any more, and lets the lease go', async () => {
    const services = stored();
    services.before['client'] = () => services.run.sleep(45_000 - 23_999);
    await expect(withTokens(services.rotation, EXCHANGE, use)).rejects.toMatchObject({
      code: 'OUT_OF_TIME',
      message: "The function's deadline came during the refresh of sf-eu, before its token was sent.",
    });
    expect([services.sent, isReleased(services)]).toEqual([[], true]);
  });

  it('leaves an old seed unspent where a person has stored another one, or none, since it was read', async () => {
    for (const value of ['{"refreshToken":"newer"}', undefined]) {
      const services = stored({ ...RECORD, seedFingerprint: 'another' });
      services.operatorSecret = value;
      await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toEqual({ outcome: 'in-progress' });
      expect([services.sent, isReleased(services)]).toEqual([[], true]);
    }
  });

  const refused = () => new RefreshError('SALESFORCE_REFUSED', 'invalid_grant', 'Authorise again.');

  it('is made again with what a sibling has stored where Salesforce refuses the token', async () => {
    const services = stored();
    services.before['exchange'] = (_, nth) => {
      if (nth > 1) return;
      services.seed('sibling', { ...RECORD, refreshToken: 'r2' }, 'AWSCURRENT');
      throw refused();
    };
    await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toMatchObject({ outcome: 'done' });
    expect([services.sent, isReleased(services)]).toEqual([['r2'], true]);
  });

  it('is refused for good where the store has not moved on', async () => {
    const services = stored();
    services.before['exchange'] = () => {
      throw refused();
    };
    await expect(withTokens(services.rotation, EXCHANGE, use)).rejects.toMatchObject({ code: 'SALESFORCE_REFUSED' });
    expect(services.calls.filter((call) => call === 'exchange')).toHaveLength(1);
    expect(isReleased(services)).toBe(true);
  });

  it('is refused for good where the token secret has vanished', async () => {
    const services = stored();
    services.before['exchange'] = () => {
      services.labels.delete('AWSCURRENT');
      throw refused();
    };
    await expect(withTokens(services.rotation, EXCHANGE, use)).rejects.toMatchObject({ code: 'SALESFORCE_REFUSED' });
  });

  it.each([
    ['that was not refused', down(), true],
    ['that may still arrive', unanswered(), false],
    ['that ran into a bug', new TypeError('x'), false],
  ])('%s is not asked of the store again', async (_, error, lets) => {
    const services = stored();
    services.before['exchange'] = () => {
      services.seed('sibling', { ...RECORD, refreshToken: 'r2' }, 'AWSCURRENT');
      throw error;
    };
    await expect(withTokens(services.rotation, EXCHANGE, use)).rejects.toBe(error);
    expect(services.calls.filter((call) => call === 'exchange')).toHaveLength(1);
    expect(isReleased(services)).toBe(lets);
  });

  it.each([
    ['finds its token stale', new Stale(), true],
    ['fails with an answer', down(), true],
    ['gets no answer', unanswered(), false],
    ['runs into a bug', new TypeError('x'), false],
  ])('lets the lease go only where every request was answered: a use that %s', async (_, error, lets) => {
    const services = stored();
    await expect(
      withTokens(services.rotation, EXCHANGE, async () => {
        throw error;
      }),
    ).rejects.toBe(error);
    expect(isReleased(services)).toBe(lets);
  });

  it('is in progress where another run holds the lease', async () => {
    const services = stored();
    services.seed('lease-1', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toEqual({ outcome: 'in-progress' });
  });

  it('is in progress where the state moves under its eyes for four turns', async () => {
    const services = stored();
    services.before['current'] = () => services.seed(`v${services.calls.length}`, RECORD, 'AWSCURRENT');
    await expect(withTokens(services.rotation, EXCHANGE, use)).resolves.toEqual({ outcome: 'in-progress' });
    expect(services.calls.filter((call) => call === 'stages')).toHaveLength(4);
    expect(isReleased(services)).toBe(true);
  });

  it('refuses a token secret that somebody else has written', async () => {
    const services = stored({ refreshToken: 'r1' });
    await expect(withTokens(services.rotation, EXCHANGE, use)).rejects.toMatchObject({ code: 'SECRET_MALFORMED' });
    expect(services.sent).toEqual([]);
  });
});

describe('an exchange unless there is a stored token', () => {
  const unless: Demand = {
    kind: 'exchange-unless-stored',
    profileUpdatedAt: new Date(NOW - 1),
    intervalSeconds: 3_600,
  };
  const young = { ...RECORD, obtainedAt: '2026-11-24T08:59:59.000Z' };

  it('uses one that was stored since the last hand-over, and says when', async () => {
    const services = stored(young);
    await expect(withTokens(services.rotation, unless, use)).resolves.toEqual({
      outcome: 'done',
      result: { access: 'a1', refresh: 'r1', rotates: true, storedAt: new Date(NOW) },
    });
    expect([services.sent, isReleased(services)]).toEqual([[], true]);
  });

  it.each([
    ['was handed over since', { ...unless, profileUpdatedAt: new Date(NOW) }, young, 0],
    ['was stored an interval ago', unless, young, 3_600_000],
    ['was obtained an interval ago', unless, { ...young, obtainedAt: '2026-11-24T08:00:00.000Z' }, 0],
    ['comes from another seed', unless, { ...young, seedFingerprint: 'another' }, 0],
    ['is none', unless, { ...young, accessToken: undefined }, 0],
    ['has no date', unless, { ...young, obtainedAt: undefined }, 0],
  ] as const)('is made where the stored one %s', async (_, demand, record, ageMs) => {
    const services = stored(record);
    services.ahead = ageMs;
    await expect(withTokens(services.rotation, demand, use)).resolves.toMatchObject({
      result: { access: 'access-1', storedAt: undefined },
    });
  });

  it.each([
    ['stored', young, 3_599_999],
    ['obtained', { ...young, obtainedAt: '2026-11-24T08:00:00.001Z' }, 0],
  ] as const)('is not made where it was %s a millisecond less than an interval ago', async (_, record, ageMs) => {
    const services = stored(record);
    services.ahead = ageMs;
    await expect(withTokens(services.rotation, unless, use)).resolves.toMatchObject({ result: { access: 'a1' } });
  });
});

describe('a rotation', () => {
  const rotate: Demand = { kind: 'rotate', versionId: 'v-rotation' };

  it('stores what it gets under the id that Secrets Manager gave, also where nothing rotates', async () => {
    const services = stored({ ...RECORD, rotates: false });
    await expect(withTokens(services.rotation, rotate, use)).resolves.toMatchObject({ outcome: 'done' });
    expect([services.labels.get('AWSCURRENT'), services.labels.get('AWSPENDING')]).toEqual([
      'v-rotation',
      'v-rotation',
    ]);
    expect(services.current()).toMatchObject({ accessToken: 'access-1' });
  });

  it('is done where its version is current', async () => {
    const services = stored();
    services.seed('v-rotation', RECORD, 'AWSCURRENT');
    await expect(withTokens(services.rotation, rotate, use)).resolves.toMatchObject({
      outcome: 'done',
      result: { access: 'a1', storedAt: new Date(NOW) },
    });
    expect(services.sent).toEqual([]);
  });

  it('is superseded where its version was current once', async () => {
    const services = stored();
    services.seed('v-rotation', RECORD);
    await expect(withTokens(services.rotation, rotate, use)).resolves.toEqual({ outcome: 'superseded' });
    expect([services.sent, isReleased(services)]).toEqual([[], true]);
  });

  it('is superseded where its version is current but of an old seed', async () => {
    const services = stored();
    services.seed('v-rotation', { ...RECORD, seedFingerprint: 'another' }, 'AWSCURRENT');
    await expect(withTokens(services.rotation, rotate, use)).resolves.toEqual({ outcome: 'superseded' });
  });
});

describe('the use of a stored version', () => {
  it.each([
    ['is current', 'c', RECORD, 'done'],
    ['is not current', 'b', RECORD, 'superseded'],
    ['is of an old seed', 'c', { ...RECORD, seedFingerprint: 'another' }, 'superseded'],
  ] as const)('comes without an exchange: one that %s', async (_, versionId, record, outcome) => {
    const services = stored(record);
    await expect(withTokens(services.rotation, { kind: 'stored', versionId }, use)).resolves.toMatchObject({ outcome });
    expect([services.sent, isReleased(services)]).toEqual([[], true]);
  });
});

describe('a restoration', () => {
  it('stores what lies in escrow and uses nothing', async () => {
    const services = stored();
    services.seed('lease-1', { owner: 'dead', heldSeconds: 0 }, 'REFRESH_LEASE');
    services.ahead = 9_000_000;
    services.escrowed = JSON.stringify({ after: 'c', versionId: 'd', record: { ...RECORD, refreshToken: 'r2' } });
    await expect(
      withTokens(services.rotation, { kind: 'restore' }, async () => {
        throw new Error('not to be used');
      }),
    ).resolves.toEqual({ outcome: 'superseded' });
    expect([services.current(), services.escrowed, services.sent]).toEqual([
      { ...RECORD, refreshToken: 'r2' },
      undefined,
      [],
    ]);
    expect(isReleased(services)).toBe(true);
  });
});
