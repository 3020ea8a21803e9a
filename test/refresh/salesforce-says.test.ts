import { describe, expect, it } from 'vitest';
import { type Change, jwtWith, salesforceBetween, withMembers } from '../support/salesforce-between.ts';
import { CODE_APP, CODE_SECRET, START, type TestWorld, testWorld, USER } from '../support/world.ts';

const TOKEN = '/services/oauth2/token';
const GRANTS = ['JWT_BEARER', 'AUTHORIZATION_CODE', 'CLIENT_CREDENTIALS'] as const;

/** A connection of that grant that is handed over as an access token, behind a login host that changes answers. */
async function connected(grant: (typeof GRANTS)[number], change: Change, options: { rotation?: boolean } = {}) {
  const world = await testWorld(options);
  const between = await salesforceBetween(world.salesforce.url, change);
  const common = { loginUrl: between.url, handOver: 'ACCESS_TOKEN' };
  let seed = '';
  if (grant === 'JWT_BEARER') world.addJwt('sf', { ...common, audience: world.salesforce.url });
  else if (grant === 'CLIENT_CREDENTIALS') world.addClient('sf', common);
  else seed = await world.addCode('sf', common);
  return { world, between, seed, [Symbol.dispose]: () => between[Symbol.dispose]() };
}

const first = async (world: TestWorld, dryRun = false) => (await world.refresh(['sf'], dryRun)).connections[0];
const at = (seconds: number) => new Date(START.getTime() + seconds * 1000).toISOString();
/** Introspection is not available, and the token endpoint says that. */
const saying =
  (members: Record<string, unknown>): Change =>
  (path, answer) =>
    path === TOKEN ? withMembers(answer, members) : { status: 404, body: 'URL No Longer Exists' };

describe.each(GRANTS)('an access token of %s', (grant) => {
  it.each([
    ['says itself that it ends', { access_token: jwtWith({ exp: START.getTime() / 1000 + 900 }) }],
    ['ends by the reply', { expires_in: 900 }],
    ['ends by the reply, in text', { expires_in: '900' }],
  ])('that %s before the next refresh is not handed over', async (_, members) => {
    using it = await connected(grant, saying(members));
    expect((await first(it.world))?.error).toMatchObject({ code: 'LIFETIME_TOO_SHORT', retryable: false });
    expect(it.world.aws.calls.some(({ operation }) => operation === 'UpdateConnectorProfile')).toBe(false);
  });

  it.each([
    [5_000, 7_000],
    [7_000, 5_000],
  ])(
    'is reported with the earliest end: the reply says %i s and introspection %i s',
    async (expiresIn, introspected) => {
      using it = await connected(grant, (path, answer) => {
        if (path === TOKEN) return withMembers(answer, { expires_in: expiresIn });
        if (path !== '/services/oauth2/introspect') return undefined;
        return withMembers(answer, { exp: String(START.getTime() / 1000 + introspected) });
      });
      // A JWT is exchanged without the client's secret, which introspection wants.
      const end = grant === 'JWT_BEARER' ? expiresIn : 5_000;
      expect(await first(it.world)).toMatchObject({ outcome: 'refreshed', validUntil: at(end) });
    },
  );
});

it('finds in a dry run that an access token ends too early, where none is spent for it', async () => {
  for (const grant of ['JWT_BEARER', 'CLIENT_CREDENTIALS'] as const) {
    using it = await connected(grant, saying({ expires_in: 900 }));
    expect((await first(it.world, true))?.error?.code).toBe('LIFETIME_TOO_SHORT');
  }
});

describe('a token that was spent', () => {
  it('is never spent for nothing: what came for it is kept although its access token ends too early', async () => {
    using it = await connected('AUTHORIZATION_CODE', saying({ expires_in: 900 }), { rotation: true });
    expect((await first(it.world))?.error?.code).toBe('LIFETIME_TOO_SHORT');
    const live = it.world.salesforce.family(it.seed)?.liveRefreshToken;
    expect(it.world.tokens('sf')).toMatchObject({ refreshToken: live, accessTokenExpiresAt: at(900) });
  });

  it.each([undefined, null, '', 7])(
    'leaves its refresh token stored where access_token is %j, and the next run goes on from it',
    async (value) => {
      let isDamaged = true;
      const damage: Change = (path, answer) =>
        path === TOKEN && isDamaged
          ? withMembers(answer, { access_token: value, token_type: null, id: '' })
          : undefined;
      using it = await connected('AUTHORIZATION_CODE', damage, { rotation: true });
      expect((await first(it.world))?.error).toMatchObject({ code: 'SALESFORCE_REPLY_UNREADABLE', retryable: true });
      const live = it.world.salesforce.family(it.seed)?.liveRefreshToken;
      expect(live).not.toBe(it.seed);
      expect(it.world.tokens('sf')).toMatchObject({ refreshToken: live, rotates: true });
      expect(it.world.tokens('sf')?.['accessToken']).toBeUndefined();
      isDamaged = false;
      expect(await first(it.world)).toMatchObject({ outcome: 'refreshed' });
      expect(it.world.salesforce.spentTokenUses).toBe(0);
    },
  );

  it('is a code as well', async () => {
    const world = await testWorld();
    let isDamaged = true;
    using between = await salesforceBetween(world.salesforce.url, (path, answer) =>
      path === TOKEN && isDamaged ? { ...answer, body: withMembers(answer, { access_token: null }).body } : undefined,
    );
    const redirectUri = 'http://localhost:1717/OauthRedirect';
    const authCode = await world.salesforce.issueAuthCode(CODE_APP, USER, redirectUri);
    await world.addCode('sf', {
      loginUrl: between.url,
      refreshToken: undefined,
      oAuthRequest: { authCode, redirectUri },
    });
    expect((await first(world))?.error?.code).toBe('SALESFORCE_REPLY_UNREADABLE');
    isDamaged = false;
    expect(await first(world)).toMatchObject({ outcome: 'refreshed' });
    expect(between.asked.filter((path) => path === TOKEN)).toHaveLength(2);
  });

  it('is said to be in escrow where the store takes it as little as the reply is whole', async () => {
    using it = await connected('AUTHORIZATION_CODE', saying({ access_token: null }), { rotation: true });
    // The store takes the lease, and no value after it.
    it.world.fault = ({ operation, input }, phase) =>
      phase === 'before' && operation === 'PutSecretValue' && !JSON.stringify(input).includes('REFRESH_LEASE')
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    expect((await first(it.world))?.error).toMatchObject({
      code: 'TOKEN_NOT_PERSISTED',
      message: expect.stringContaining('It is kept in'),
    });
  });
});

describe('a refusal', () => {
  it('that asks for the request again is one for the run where nothing is spent, and else for the queue', async () => {
    for (const grant of GRANTS) {
      let refusals = 1;
      const body = '{"error":"unknown_error","error_description":"retry your request"}';
      const headers = { 'content-type': 'application/json' };
      using it = await connected(grant, (path, answer) =>
        path !== TOKEN ? undefined : refusals-- > 0 ? { status: 400, headers, body } : answer,
      );
      const report = await first(it.world);
      if (grant === 'AUTHORIZATION_CODE')
        expect(report?.error).toMatchObject({ code: 'SALESFORCE_UNAVAILABLE', retryable: true });
      else expect(report?.outcome).toBe('refreshed');
    }
  });

  it.each([
    [
      'app_not_found',
      'External client app is not installed in this org',
      /loginUrl and audience in .*\/sf to the org's My Domain/,
    ],
    [
      'invalid_request',
      'refresh_token scope is required and the connected app should be installed and preauthorized',
      /Give the app of sf the scope refresh_token \(offline_access\) and pre-authorise its user/,
    ],
    ['invalid_grant', 'Audience validation failed', /Correct audience in .*\/sf/],
  ])('%s, "%s", says what cures it', async (error, error_description, hint) => {
    using it = await connected('JWT_BEARER', () => ({
      status: 400,
      body: JSON.stringify({ error, error_description }),
    }));
    expect((await first(it.world))?.error).toMatchObject({
      code: 'SALESFORCE_REFUSED',
      message: expect.stringContaining(error),
      hint: expect.stringMatching(hint),
    });
  });

  it('to a JWT that speaks of a My Domain does not ask for an audience of a connection that has none', async () => {
    using it = await connected('AUTHORIZATION_CODE', () => ({ status: 400, body: '{"error":"app_not_found"}' }));
    const hint = (await first(it.world))?.error?.hint ?? '';
    expect(hint).toContain('Set loginUrl in appflow-token-refresher/sf');
    expect(hint).not.toContain('audience');
  });

  it('of a dead refresh token names the idle limit and the sixth approval', async () => {
    const world = await testWorld();
    await world.addCode('sf');
    await world.salesforce.revoke(CODE_APP, USER);
    const hint = (await first(world))?.error?.hint ?? '';
    expect(hint).toMatch(/idle limit.*sixth time.*oldest of five/);
    expect(hint.length).toBeLessThanOrEqual(500);
  });

  it('that nobody knows is shown by its error alone, and called unknown', async () => {
    const error_description = `secret words about ${CODE_SECRET}`;
    using it = await connected('JWT_BEARER', () => ({
      status: 400,
      body: JSON.stringify({ error: 'policy_engine_denied', error_description }),
    }));
    expect((await first(it.world))?.error).toEqual({
      code: 'SALESFORCE_REFUSED',
      retryable: false,
      message: 'policy_engine_denied: this refusal is not in our list, so it is taken for final.',
      hint: expect.stringMatching(/not in our list and is taken for final.*login history.*appflow-token-refresher\/sf/),
    });
  });
});
