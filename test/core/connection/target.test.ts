import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isConnectionName, isProfileName, TARGET_TAGS, targetOf } from '../../../functions/core/connection/target.ts';
import { everythingSaidBy, marker, thrownBy } from '../../support/rules.ts';

const PREFIX = 'appflow-token-refresher/';

function target(name: string, tags: Record<string, string> = {}) {
  const {
    secretChangedAt: _changed,
    secretCreatedAt: _created,
    ...rest
  } = targetOf(
    { name: PREFIX + name, createdAt: new Date(0), changedAt: new Date(0), tags: new Map(Object.entries(tags)) },
    { secretPrefix: PREFIX, refreshIntervalSeconds: 3_600 },
  );
  return rest;
}

describe('the target of a connection', () => {
  it("defaults to the connection's name and the usual interval when no tag is set", () => {
    expect(target('sf-prod')).toEqual({
      connection: 'sf-prod',
      connectorProfileName: 'sf-prod',
      intervalSeconds: 3_600,
    });
    expect(target('eu/sf-prod', { Team: 'x', CostCentre: '7' })).toEqual({
      connection: 'eu/sf-prod',
      connectorProfileName: 'eu/sf-prod',
      intervalSeconds: 3_600,
    });
  });

  it('is read from two tags, and a listing keeps no others', () => {
    expect([...TARGET_TAGS]).toEqual(['connector-profile-name', 'refresh-interval-seconds']);
  });

  it('takes the profile name and the interval from the tags', () => {
    const tags = { 'connector-profile-name': 'Sales+EU@prod', 'refresh-interval-seconds': '1800' };
    expect(target('sf-prod', tags)).toEqual({
      connection: 'sf-prod',
      connectorProfileName: 'Sales+EU@prod',
      intervalSeconds: 1_800,
    });
  });

  it.each(['', 'two words', 'ü', 'x'.repeat(257), 'a:b', 'a\nb'])('cannot be a profile named %o', (name) => {
    expect(thrownBy(() => target('sf-prod', { 'connector-profile-name': name }))).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: expect.stringContaining('connector-profile-name'),
    });
  });

  it.each(['', '0', '-60', '1h', '3600.5', '060', '123456789'])('cannot have an interval of %o seconds', (seconds) => {
    expect(thrownBy(() => target('sf-prod', { 'refresh-interval-seconds': seconds }))).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: 'the tag refresh-interval-seconds is not a whole number of seconds.',
    });
  });

  it('cannot have an interval of more than a day, unless the deployment has', () => {
    const asked = (seconds: string, refreshIntervalSeconds = 3_600) =>
      targetOf(
        {
          name: `${PREFIX}sf-prod`,
          createdAt: new Date(0),
          changedAt: new Date(0),
          tags: new Map([['refresh-interval-seconds', seconds]]),
        },
        { secretPrefix: PREFIX, refreshIntervalSeconds },
      );
    expect(asked('86400').intervalSeconds).toBe(86_400);
    expect(asked('604800', 604_800).intervalSeconds).toBe(604_800);
    for (const [seconds, setting] of [
      ['86401', 3_600],
      ['99999999', 3_600],
      ['604801', 604_800],
    ] as const)
      expect(thrownBy(() => asked(seconds, setting))).toMatchObject({
        code: 'SECRET_MALFORMED',
        message: `the tag refresh-interval-seconds is more than ${Math.max(86_400, setting)}.`,
      });
  });

  it('has every wrong tag reported in one error that names the secret and no value', () => {
    fc.assert(
      fc.property(marker, (value) => {
        const error = thrownBy(() =>
          target('sf-prod', { 'connector-profile-name': `${value} ${value}`, 'refresh-interval-seconds': value }),
        );
        expect(error).toMatchObject({
          code: 'SECRET_MALFORMED',
          retryable: false,
          hint: expect.stringContaining('appflow-token-refresher/sf-prod'),
        });
        expect(error.message).toMatch(/connector-profile-name.*; .*refresh-interval-seconds/);
        expect(everythingSaidBy(error)).not.toContain(value);
      }),
    );
  });

  it('refuses a secret whose name no connection can have', () => {
    expect(thrownBy(() => target('-x'))).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: 'the name of the secret is not one that a connection can have.',
    });
  });

  it("needs a profile tag when no profile can have the connection's name", () => {
    expect(thrownBy(() => target('x'.repeat(257)))).toMatchObject({ code: 'SECRET_MALFORMED' });
    expect(target('x'.repeat(257), { 'connector-profile-name': 'sf' })).toMatchObject({ connectorProfileName: 'sf' });
  });
});

describe('checking names', () => {
  it.each(['a', 'sf-prod', 'eu/sf_prod+1=2.3@x', 'x'.repeat(400)])('accepts %s for a connection', (name) => {
    expect(isConnectionName(name)).toBe(true);
  });

  it.each(['', '-', '-a', '--force', 'two words', 'a!', 'a#', 'ü', 'a\n', 'a:b', 'x'.repeat(401)])(
    'rejects %o for a connection',
    (name) => {
      expect(isConnectionName(name)).toBe(false);
    },
  );

  it.each(['a', '-a', 'a/b@c+d=e.f-g_h', 'x'.repeat(256)])('accepts %s for a profile', (name) => {
    expect(isProfileName(name)).toBe(true);
  });

  it.each(['', 'two words', 'ü', 'a\n', 'a:b', 'a$', 'Sales!EU', 'EU#1', 'x'.repeat(257)])(
    'rejects %o for a profile',
    (name) => {
      expect(isProfileName(name)).toBe(false);
    },
  );
});
