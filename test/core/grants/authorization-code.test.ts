import { describe, expect, it } from 'vitest';
import type { AuthorizationCodeConnection } from '../../../functions/core/connection/connection.ts';
import { SERVES_TAG } from '../../../functions/core/connection/serves.ts';
import type { Target } from '../../../functions/core/connection/target.ts';
import { RefreshError } from '../../../functions/core/errors.ts';
import {
  authorizationCode,
  clientOf,
  obtainedFrom,
  rotationOf,
} from '../../../functions/core/grants/authorization-code.ts';
import type { Obtained, Read, Serving } from '../../../functions/core/grants/grant.ts';
import type { Profile, TokenEndpoint } from '../../../functions/core/ports.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { Stale } from '../../../functions/core/token-rotation/protocol.ts';
import { fingerprintOf } from '../../../functions/core/token-rotation/token-record.ts';
import { fakeContext } from '../../support/rules.ts';
import { notingProfile, servingIn } from '../../support/serving.ts';
import { CODE_CONNECTION, down, tokenServices, tokens } from '../../support/token-services.ts';

const NOW = Date.parse('2026-11-24T09:00:00.000Z');
const TICK = 300_000;
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:appflow-client-credentials/sf-AbCdEf';
const RECORD = {
  connection: 'sf-eu',
  refreshToken: 'r1',
  accessToken: 'a1',
  obtainedAt: '2026-11-24T08:59:59.000Z',
  rotates: false,
  seedFingerprint: fingerprintOf(CODE_CONNECTION.seed),
};
const read = (value: unknown): Read => ({ versionId: 'c', value: new Redacted(JSON.stringify(value)) });
const at = (milliseconds: number) => new Date(NOW + milliseconds);

interface Options {
  readonly connection?: Partial<AuthorizationCodeConnection>;
  readonly record?: object;
  readonly target?: Partial<Target>;
  readonly profile?: Partial<Profile>;
  readonly serving?: Partial<Serving>;
  readonly endpoint?: Partial<TokenEndpoint>;
  /** Whom the client secret says that it serves. */
  readonly serves?: string;
  /** When the operator's secret was changed. */
  readonly changedAt?: Date;
  /** The profile as it is when it is read again; undefined where it is gone by then. */
  readonly readAgain?: Profile | undefined;
}

function world(options: Options = {}) {
  const { record = RECORD } = options;
  const services = tokenServices({
    connection: options.connection ?? {},
    run: { now: NOW },
    endpoint: options.endpoint ?? {},
  });
  services.seed('c', record, 'AWSCURRENT');
  services.seed('lease-0', {}, 'REFRESH_LEASE', 'REFRESH_RELEASED');
  const { connection, endpoint, ports } = services.rotation;
  const asked: string[] = [];
  const profile = notingProfile({ createdAt: at(-9_000_000), updatedAt: at(-3_600_000), ...options.profile });
  const again = 'readAgain' in options ? options.readAgain : profile;
  const context = fakeContext(
    {
      ...ports,
      salesforce: {
        tokenEndpoint: (of, secretName) => {
          asked.push(`endpoint of ${of.name} for ${secretName}`);
          return endpoint;
        },
      },
      secrets: {
        describe: async (name) => {
          asked.push(`describe ${name}`);
          return { name, createdAt: new Date(0), changedAt: options.changedAt ?? new Date(0), tags: new Map() };
        },
        tags: async (arn) => {
          asked.push(`tags ${arn}`);
          return { arn, tags: new Map([[SERVES_TAG, options.serves ?? 'sf-eu']]) };
        },
        value: async (id) => {
          asked.push(`value ${id}`);
          return { versionId: 'v', value: new Redacted('{"clientId":"3MVG9","clientSecret":"s3cret"}') };
        },
      },
      appflow: {
        profiles: async (names) => {
          asked.push(`profiles ${names.join(' ')}`);
          return new Map(again === undefined ? [] : [['sf-eu', again]]);
        },
      },
    },
    services.run,
  );
  const serving = servingIn(context, {
    profile,
    tokenSecret: read(record),
    target: { connection: 'sf-eu', connectorProfileName: 'sf-eu', intervalSeconds: 3_600, ...options.target },
    ...options.serving,
  });
  const used: Obtained[] = [];
  const grant = authorizationCode(connection);
  return {
    services,
    connection,
    context,
    serving,
    grant,
    asked,
    used,
    obtain: (use: (obtained: Obtained) => Promise<void> = async () => undefined) =>
      grant.obtain(serving, async (obtained) => {
        used.push(obtained);
        await use(obtained);
      }),
  };
}

/** What AppFlow would be given, boxes opened. */
function shownOf(obtained: Obtained | 'in-progress' | undefined) {
  if (obtained === undefined || obtained === 'in-progress') return obtained;
  const { oAuth2GrantType, accessToken, refreshToken, ...rest } = obtained.credentials;
  return {
    oAuth2GrantType,
    ...(accessToken === undefined ? {} : { access: accessToken.reveal() }),
    ...(refreshToken === undefined ? {} : { refresh: refreshToken.reveal() }),
    ...rest,
  };
}

describe('what AppFlow is given of an AUTHORIZATION_CODE connection', () => {
  it('is what the secret says, until Salesforce is known to rotate', () => {
    const { grant } = world();
    expect(grant.handOver(undefined)).toBe('ACCESS_AND_REFRESH_TOKEN');
    expect(grant.handOver(down())).toBe('ACCESS_AND_REFRESH_TOKEN');
    expect(grant.handOver(read(RECORD))).toBe('ACCESS_AND_REFRESH_TOKEN');
    expect(grant.handOver(read({ ...RECORD, rotates: true }))).toBe('ACCESS_TOKEN');
    expect(grant.connection).toMatchObject({ grantType: 'AUTHORIZATION_CODE' });
  });

  it('is both tokens, only the access token where the secret says so, and never a refresh token that rotates', async () => {
    const both = world();
    await expect(both.obtain().then(shownOf)).resolves.toStrictEqual({
      oAuth2GrantType: 'AUTHORIZATION_CODE',
      access: 'access-1',
      refresh: 'r1',
    });
    const alone = world({ connection: { handOver: 'ACCESS_TOKEN' } });
    await expect(alone.obtain().then(shownOf)).resolves.toEqual({
      oAuth2GrantType: 'AUTHORIZATION_CODE',
      access: 'access-1',
    });
    const rotating = world();
    rotating.services.issued.push(tokens('a2', 'r2'));
    const obtained = await rotating.obtain();
    expect(shownOf(obtained)).toEqual({ oAuth2GrantType: 'AUTHORIZATION_CODE', access: 'a2' });
    expect(obtained).toMatchObject({ handOver: 'ACCESS_TOKEN', validUntil: null });
    expect(rotating.used).toEqual([expect.objectContaining({ handOver: 'ACCESS_TOKEN' })]);
  });

  it('names the secret of the client where there is one, and ends when introspection says', async () => {
    const asked: unknown[] = [];
    const { obtain } = world({
      connection: { clientCredentialsArn: ARN },
      endpoint: {
        expiryOf: async ({ clientId, clientSecret }, token) => {
          asked.push([clientId, clientSecret?.reveal(), token.reveal()]);
          return at(7_200_000);
        },
      },
    });
    const obtained = await obtain();
    expect(shownOf(obtained)).toMatchObject({ clientCredentialsArn: ARN });
    expect(obtained).toMatchObject({ validUntil: at(7_200_000), handOver: 'ACCESS_AND_REFRESH_TOKEN' });
    expect(asked).toEqual([['3MVG9', 's3cret', 'access-1']]);
  });
});

describe('a refresh of an AUTHORIZATION_CODE connection', () => {
  it('exchanges where a person asks, although a token is stored', async () => {
    const { obtain, services } = world();
    await obtain();
    expect(services.sent).toEqual(['r1']);
  });

  it('exchanges where a flow has failed: perhaps with the very token that is stored', async () => {
    const { obtain, services } = world({ target: { unlessUpdatedAfter: at(0), isHealing: true } });
    services.labels.set('REFRESH_RELEASED', 'lease-0');
    await obtain();
    expect(services.sent).toEqual(['r1']);
  });

  const queued = { target: { unlessUpdatedAfter: at(0) } };

  it('hands over the stored token where the queue asks and the token lives', async () => {
    const tried: string[] = [];
    const { obtain, services, asked } = world({
      ...queued,
      endpoint: {
        tryAccessToken: async (token) => {
          tried.push(token.reveal());
        },
      },
    });
    await expect(obtain().then(shownOf)).resolves.toMatchObject({ access: 'a1' });
    expect([services.sent, tried, asked]).toEqual([
      [],
      ['a1'],
      ['endpoint of sf-eu for appflow-token-refresher/sf-eu', 'profiles sf-eu'],
    ]);
  });

  it('exchanges where the stored token has died', async () => {
    const { obtain, services } = world({
      ...queued,
      endpoint: {
        tryAccessToken: async () => {
          throw new RefreshError('SALESFORCE_REFUSED', 'dead', 'None.');
        },
      },
    });
    await expect(obtain().then(shownOf)).resolves.toMatchObject({ access: 'access-1' });
    expect(services.sent).toEqual(['r1']);
  });

  it('fails where nobody can say whether the stored token lives', async () => {
    for (const error of [down(), new TypeError('x')]) {
      const { obtain, services } = world({
        ...queued,
        endpoint: {
          tryAccessToken: async () => {
            throw error;
          },
        },
      });
      await expect(obtain()).rejects.toBe(error);
      expect(services.sent).toEqual([]);
    }
  });

  it.each([
    ['lasts until the next refresh', 3_600_000, []],
    ['ends before the next refresh', 3_599_000, ['r1']],
  ])('asks nobody whether the stored token lives where introspection says that it %s', async (_, left, sent) => {
    let asked = 0;
    const { obtain, services } = world({
      ...queued,
      connection: { clientSecret: new Redacted('s3cret') },
      endpoint: { expiryOf: async () => at(asked++ === 0 ? left : 9_000_000) },
    });
    await obtain();
    expect(services.sent).toEqual(sent);
  });

  it.each([
    ['was given something at the moment at which the token was stored', notingProfile({ updatedAt: at(0) }), ['r1']],
    ['was given something before', notingProfile({ updatedAt: at(-1) }), []],
    ['is gone', undefined, ['r1']],
  ])('exchanges unless AppFlow has nothing newer than the stored token: the profile %s', async (_, readAgain, sent) => {
    const { obtain, services } = world({
      ...queued,
      readAgain,
      endpoint: { tryAccessToken: async () => undefined },
    });
    await obtain();
    expect(services.sent).toEqual(sent);
  });

  it('exchanges where the profile was updated after the token was stored, as it was read at first', async () => {
    const { obtain, services } = world({ ...queued, profile: { updatedAt: at(1) } });
    await obtain();
    expect(services.sent).toEqual(['r1']);
  });

  it('fails where the new token would end before the next refresh, and nothing is handed over', async () => {
    const { obtain, used } = world({
      connection: { clientSecret: new Redacted('s3cret') },
      endpoint: { expiryOf: async () => at(3_599_999) },
    });
    await expect(obtain()).rejects.toMatchObject({ code: 'LIFETIME_TOO_SHORT' });
    expect(used).toEqual([]);
  });

  it('is in progress where another run holds the lease', async () => {
    const { obtain, services } = world();
    services.seed('lease-1', { owner: 'another', heldSeconds: 100 }, 'REFRESH_LEASE');
    await expect(obtain()).resolves.toBe('in-progress');
  });

  it('offers the same tokens for one more try, without an exchange', async () => {
    const { obtain, used, services } = world();
    await obtain(async (obtained) => {
      expect(shownOf(await obtained.renewed())).toEqual(shownOf(obtained));
    });
    expect([used.length, services.sent]).toEqual([1, ['r1']]);
  });

  it('offers a stored token for one more try only while it lives, and exchanges otherwise', async () => {
    let lives = 2;
    const { obtain, used, services } = world({
      ...queued,
      endpoint: {
        tryAccessToken: async () => {
          if (lives-- <= 0) throw new RefreshError('SALESFORCE_REFUSED', 'dead', 'None.');
        },
      },
    });
    const renewed: unknown[] = [];
    await obtain(async (obtained) => {
      if (used.length > 1) return;
      renewed.push(shownOf(await obtained.renewed()));
      await obtained.renewed().catch((error: unknown) => {
        renewed.push(error);
        throw error;
      });
    });
    expect(renewed).toMatchObject([{ access: 'a1' }, expect.any(Stale)]);
    expect(used.map(shownOf)).toMatchObject([{ access: 'a1' }, { access: 'access-1' }]);
    expect(services.sent).toEqual(['r1']);
  });

  it('offers the tokens of `rotate` as they are', async () => {
    const { services, connection, context } = world();
    const rotation = { ...services.rotation, ...rotationOf(connection, context) };
    const obtained = await obtainedFrom(
      { accessToken: new Redacted('a'), refreshToken: new Redacted('r'), rotates: false },
      rotation,
    );
    await expect(obtained.renewed()).resolves.toBe(obtained);
  });

  it.each([
    [{ ...RECORD, rotates: true }, 1_800],
    [RECORD, 900],
  ])('is refused at an interval for which a secret holds too few versions', async (record, shortest) => {
    const tooShort = world({ record, target: { intervalSeconds: shortest - 1 } });
    await expect(tooShort.obtain()).rejects.toMatchObject({ code: 'INTERVAL_TOO_SHORT' });
    expect(tooShort.services.calls).toEqual([]);
    await expect(world({ record, target: { intervalSeconds: shortest } }).obtain()).resolves.toMatchObject({});
  });

  it('begins with the seed where there is no token secret yet', async () => {
    for (const tokenSecret of [undefined, new RefreshError('SECRET_NOT_FOUND', 'none', 'None.')]) {
      const { obtain, services } = world({ serving: { tokenSecret } });
      services.labels.clear();
      services.versions.clear();
      await obtain();
      expect(services.sent[0]).toBe('seed');
    }
  });

  it.each([
    ['', {}],
    [' in a dry run', { dryRun: true }],
  ])('spends nothing%s where its client secret does not say that it serves it', async (_, serving) => {
    const { obtain, services, asked } = world({
      connection: { clientCredentialsArn: ARN, clientSecret: new Redacted('own') },
      serves: 'another',
      serving,
    });
    await expect(obtain()).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
      message: expect.stringMatching(/^The client secret /),
    });
    expect([services.calls, asked.includes(`value ${ARN}`)]).toEqual([[], false]);
  });

  it('fails where the token secret cannot be read', async () => {
    const error = down();
    const { obtain, services } = world({ serving: { tokenSecret: error } });
    await expect(obtain()).rejects.toBe(error);
    expect(services.calls).toEqual([]);
  });
});

describe('an attempt while versions are scarce', () => {
  /** Due since an hour before: updated two intervals ago. */
  const due = { profile: { updatedAt: at(-7_200_000) }, endpoint: { tryAccessToken: async () => undefined } };
  const since = -3_600_000;

  function scarce(options: Options) {
    const made = world({ ...due, ...options });
    for (let n = 0; n < 95; n++) made.services.versions.set(`v${n}`, { value: '{}', createdAt: NOW });
    return made;
  }

  it.each([
    ['a person asks', {}],
    ['the schedule asks for the first time', { unlessUpdatedAfter: at(since + TICK - 1) }],
    ['the schedule asks at once', { unlessUpdatedAfter: at(since) }],
  ])('goes ahead where %s', async (_, target) => {
    const { obtain, services } = scarce({ target });
    await obtain();
    expect(services.calls).not.toContain('youngVersions');
  });

  it.each([
    ['the schedule repeats', { unlessUpdatedAfter: at(since + TICK) }],
    ['the queue repeats', { unlessUpdatedAfter: at(since), isRetry: true }],
    ['a flow has failed', { unlessUpdatedAfter: at(since), isHealing: true }],
  ])('is refused where %s', async (_, target) => {
    const { obtain, services, asked } = scarce({ target });
    await expect(obtain()).rejects.toMatchObject({ code: 'INTERVAL_TOO_SHORT' });
    expect(services.calls).toEqual(['youngVersions']);
    expect(asked).toContain('describe appflow-token-refresher/sf-eu');
  });

  const repeated = { unlessUpdatedAfter: at(since + TICK) };

  it('goes ahead for a quarter of an hour after a person has changed the secret', async () => {
    await expect(scarce({ target: repeated, changedAt: at(-899_999) }).obtain()).resolves.toMatchObject({});
    await expect(scarce({ target: repeated, changedAt: at(-900_000) }).obtain()).rejects.toMatchObject({
      code: 'INTERVAL_TOO_SHORT',
    });
  });

  it('goes ahead with a new seed', async () => {
    const { obtain, services } = scarce({ target: repeated, record: { ...RECORD, seedFingerprint: 'another' } });
    await obtain();
    expect(services.sent).toEqual(['seed']);
  });

  it('goes ahead where versions are not scarce, and asks for no date then', async () => {
    const { obtain, asked } = world({ ...due, target: repeated });
    await obtain();
    expect(asked).not.toContain('describe appflow-token-refresher/sf-eu');
  });
});

describe('a dry run of an AUTHORIZATION_CODE connection', () => {
  const dry = { dryRun: true };

  it('exchanges nothing and shows what would be handed over', async () => {
    const { obtain, services, used } = world({ serving: dry });
    const obtained = await obtain();
    expect(obtained).toMatchObject({
      credentials: { oAuth2GrantType: 'AUTHORIZATION_CODE' },
      handOver: 'ACCESS_AND_REFRESH_TOKEN',
      validUntil: null,
    });
    expect(shownOf(obtained)).toStrictEqual({ oAuth2GrantType: 'AUTHORIZATION_CODE' });
    expect([services.calls, used]).toEqual([[], [obtained]]);
    await expect(used[0]?.renewed()).resolves.toBe(obtained);
  });

  it('reads the secret of the client', async () => {
    const { obtain, asked } = world({ serving: dry, connection: { clientCredentialsArn: ARN } });
    await expect(obtain().then(shownOf)).resolves.toEqual({
      oAuth2GrantType: 'AUTHORIZATION_CODE',
      clientCredentialsArn: ARN,
    });
    expect(asked).toContain(`value ${ARN}`);
  });

  it('knows what is stored of rotation', async () => {
    const record = { ...RECORD, rotates: true };
    await expect(world({ record, serving: { ...dry, tokenSecret: read(record) } }).obtain()).resolves.toMatchObject({
      handOver: 'ACCESS_TOKEN',
    });
    const short = world({ record, target: { intervalSeconds: 1_799 }, serving: { ...dry, tokenSecret: read(record) } });
    await expect(short.obtain()).rejects.toMatchObject({ code: 'INTERVAL_TOO_SHORT' });
  });

  it('refuses a token secret that somebody else has written, and does without one', async () => {
    await expect(world({ serving: { ...dry, tokenSecret: read({}) } }).obtain()).rejects.toMatchObject({
      code: 'SECRET_MALFORMED',
    });
    await expect(world({ serving: { ...dry, tokenSecret: undefined } }).obtain()).resolves.toMatchObject({
      handOver: 'ACCESS_AND_REFRESH_TOKEN',
    });
  });
});

describe('what a refresh leaves to the next attempt', () => {
  it('is looked for where the queue repeats a message', async () => {
    const { grant, serving, services } = world({ target: { isRetry: true } });
    services.labels.delete('REFRESH_RELEASED');
    services.ahead = 9_000_000;
    services.escrowed = JSON.stringify({ after: 'c', versionId: 'd', record: { ...RECORD, refreshToken: 'r2' } });
    await grant.finish(serving);
    expect([services.current(), services.sent]).toMatchObject([{ refreshToken: 'r2' }, []]);
  });

  it.each([{}, { isRetry: false }])('is nothing where it asks for the first time', async (target) => {
    const { grant, serving, services } = world({ target });
    await grant.finish(serving);
    expect(services.calls).toEqual([]);
  });
});

describe('the client of an AUTHORIZATION_CODE connection', () => {
  const contextWith = (value: string) =>
    fakeContext({
      secrets: {
        tags: async (arn) => ({ arn, tags: new Map([[SERVES_TAG, 'sf-eu']]) }),
        value: async () => ({ versionId: 'v', value: new Redacted(value) }),
      },
    });
  const nothingRead = fakeContext({});

  it('has its own secret, or none, without a look at another', async () => {
    const clientSecret = new Redacted('own');
    await expect(clientOf({ ...CODE_CONNECTION, clientSecret }, nothingRead)).resolves.toEqual({
      clientId: '3MVG9',
      clientSecret,
    });
    await expect(
      clientOf({ ...CODE_CONNECTION, clientSecret, clientCredentialsArn: ARN }, nothingRead),
    ).resolves.toMatchObject({ clientSecret });
    await expect(clientOf(CODE_CONNECTION, nothingRead)).resolves.toEqual({
      clientId: '3MVG9',
      clientSecret: undefined,
    });
  });

  it('has the secret that AppFlow reads too', async () => {
    const context = contextWith('{"clientId":"3MVG9","clientSecret":"shared"}');
    const client = await clientOf({ ...CODE_CONNECTION, clientCredentialsArn: ARN }, context);
    expect([client.clientId, client.clientSecret?.reveal()]).toEqual(['3MVG9', 'shared']);
  });

  it('may be a managed external secret, where AppFlow is given the access token alone', async () => {
    const context = contextWith('\ufeff{"consumerKey":"3MVG9","consumerSecret":"managed","environmentId":"x"}');
    const connection = { ...CODE_CONNECTION, clientCredentialsArn: ARN };
    const client = await clientOf({ ...connection, handOver: 'ACCESS_TOKEN' }, context);
    expect([client.clientId, client.clientSecret?.reveal()]).toEqual(['3MVG9', 'managed']);
    await expect(clientOf({ ...connection, handOver: 'ACCESS_AND_REFRESH_TOKEN' }, context)).rejects.toMatchObject({
      code: 'SECRET_MALFORMED',
      hint: expect.stringContaining('"handOver": "ACCESS_TOKEN" in appflow-token-refresher/sf-eu'),
    });
  });

  it('is refused where the two secrets speak of different apps', async () => {
    const context = contextWith('{"clientId":"another","clientSecret":"shared"}');
    await expect(clientOf({ ...CODE_CONNECTION, clientCredentialsArn: ARN }, context)).rejects.toMatchObject({
      code: 'SECRET_MALFORMED',
      message: 'clientId is not the one in the secret that clientCredentialsArn names.',
      hint: 'Make clientId of sf-eu and the secret of its clientCredentialsArn speak of the same connected app.',
    });
  });

  it('is read once a run', async () => {
    const { context, asked } = world();
    const rotation = rotationOf({ ...CODE_CONNECTION, clientCredentialsArn: ARN }, context);
    expect(await rotation.client()).toBe(await rotation.client());
    expect(asked.filter((call) => call.startsWith('value'))).toHaveLength(1);
    expect([rotation.tokenSecret, rotation.operatorSecret]).toEqual([
      'appflow-token-refresher-tokens/sf-eu',
      'appflow-token-refresher/sf-eu',
    ]);
  });
});
