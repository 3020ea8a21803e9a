import { describe, expect, it } from 'vitest';
import { QUEUE } from '../../infra/local/world.ts';
import { CODE_APP, CODE_SECRET, START, type TestWorld, testWorld, USER } from '../support/world.ts';

const exchanges = (world: TestWorld) =>
  world.salesforce.calls.filter(({ operation }) => operation === 'token:refresh_token').length;
const first = async (world: TestWorld, name: string) => (await world.refresh([name])).connections[0];

describe('refresh of an AUTHORIZATION_CODE connection', () => {
  it('hands over both tokens and reports the expiry when Salesforce does not rotate', async () => {
    const world = await testWorld();
    const seed = await world.addCode('sf');
    expect(await first(world, 'sf')).toEqual({
      connection: 'sf',
      connectorProfileName: 'sf',
      grantType: 'AUTHORIZATION_CODE',
      handOver: 'ACCESS_AND_REFRESH_TOKEN',
      outcome: 'refreshed',
      validUntil: new Date(START.getTime() + 7_200_000).toISOString(),
    });
    const held = world.aws.appflow.credentials('sf');
    expect(held).toMatchObject({ oAuth2GrantType: 'AUTHORIZATION_CODE', refreshToken: seed });
    expect(world.salesforce.accessTokenIsLive(held?.accessToken ?? '')).toBe(true);
    expect(world.tokens('sf')).toMatchObject({ refreshToken: seed, accessToken: held?.accessToken, rotates: false });
  });

  it('stores the new refresh token and hands over only the access token when Salesforce rotates', async () => {
    const world = await testWorld({ rotation: true });
    const seed = await world.addCode('sf');
    for (let n = 1; n <= 3; n++) {
      expect(await first(world, 'sf')).toMatchObject({ handOver: 'ACCESS_TOKEN', outcome: 'refreshed' });
      expect(world.aws.appflow.credentials('sf')?.refreshToken).toBeUndefined();
      const family = world.salesforce.family(seed);
      expect(family).toMatchObject({
        alive: true,
        exchanges: n,
        liveRefreshToken: world.tokens('sf')?.['refreshToken'],
      });
    }
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('never writes to the operator’s secret', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    const before = world.aws.secrets.describe('appflow-token-refresher/sf');
    world.clock.turn(60);
    await world.refresh(['sf']);
    expect(world.aws.secrets.describe('appflow-token-refresher/sf')).toEqual(before);
  });

  it('exchanges an authorization code once and then uses its refresh token', async () => {
    const world = await testWorld({ rotation: true });
    const redirectUri = 'http://127.0.0.1:8400/';
    const authCode = await world.salesforce.issueAuthCode(CODE_APP, USER, redirectUri);
    await world.addCode('sf', { refreshToken: undefined, oAuthRequest: { authCode, redirectUri } });
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed', handOver: 'ACCESS_TOKEN' });
    expect(world.salesforce.calls.filter(({ operation }) => operation === 'token:authorization_code')).toHaveLength(1);
  });

  it('treats only a changed seed as a new authorisation', async () => {
    const world = await testWorld({ rotation: true });
    const seed = await world.addCode('sf');
    await world.refresh(['sf']);
    await world.salesforce.revoke(CODE_APP, USER);
    expect((await first(world, 'sf'))?.error).toMatchObject({
      code: 'SALESFORCE_REFUSED',
      retryable: false,
      message: 'invalid_grant: expired access/refresh token',
      hint: expect.stringContaining(
        'Authorise the app again and store the new refresh token in appflow-token-refresher/sf.',
      ),
    });
    const { refreshToken } = await world.salesforce.issueRefreshToken(CODE_APP, USER);
    const secret = JSON.parse(world.aws.secrets.read('appflow-token-refresher/sf') ?? '');
    world.aws.secrets.put('appflow-token-refresher/sf', JSON.stringify({ ...secret, refreshToken }));
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(world.salesforce.family(refreshToken)).toMatchObject({ alive: true, exchanges: 2 });
    expect(world.salesforce.family(seed)?.reuseDetected).toBe(false);
  });

  it('refuses an interval that makes more versions a day than a secret can hold', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('steady', {}, { 'refresh-interval-seconds': '899' });
    await world.addCode('rotating', {}, { 'refresh-interval-seconds': '1799' });
    expect((await first(world, 'steady'))?.error?.code).toBe('INTERVAL_TOO_SHORT');
    expect(exchanges(world)).toBe(0);
    expect(await first(world, 'rotating')).toMatchObject({ outcome: 'refreshed' });
    const error = (await first(world, 'rotating'))?.error;
    expect(error?.code).toBe('INTERVAL_TOO_SHORT');
    expect(error?.message).toContain('97 versions a day');
    expect(exchanges(world)).toBe(1);
  });

  it('refuses an access token that expires before the next refresh, but stores the refresh token', async () => {
    const world = await testWorld({ rotation: true });
    const seed = await world.addCode('sf', {}, { 'refresh-interval-seconds': '7201' });
    expect((await first(world, 'sf'))?.error?.code).toBe('LIFETIME_TOO_SHORT');
    expect(world.salesforce.family(seed)?.liveRefreshToken).toBe(world.tokens('sf')?.['refreshToken']);
  });

  it('refuses a clientCredentialsArn whose secret belongs to another app', async () => {
    const world = await testWorld();
    const arn = world.addClient('other');
    world.aws.secrets.tag('appflow-client-credentials/other', { 'appflow-token-refresher-connections': 'sf' });
    await world.addCode('sf', { clientSecret: undefined, clientCredentialsArn: arn });
    expect((await world.refresh(['sf'], true)).connections[0]?.error?.code).toBe('SECRET_MALFORMED');
    expect((await first(world, 'sf'))?.error?.message).toContain('clientId is not the one');
  });

  it.each(['ACCESS_TOKEN', 'ACCESS_AND_REFRESH_TOKEN'])(
    'uses a managed external secret and keeps its ARN from AppFlow, unless that needs the client: %s',
    async (handOver) => {
      const world = await testWorld();
      const arn = world.addClient(
        'other',
        {},
        { consumerKey: CODE_APP, consumerSecret: CODE_SECRET, environmentId: 'x' },
      );
      world.aws.secrets.tag('appflow-client-credentials/other', { 'appflow-token-refresher-connections': 'sf' });
      await world.addCode('sf', { clientSecret: undefined, clientCredentialsArn: arn, handOver });
      const report = await first(world, 'sf');
      if (handOver === 'ACCESS_TOKEN') {
        expect(report).toMatchObject({ outcome: 'refreshed' });
        expect(Object.keys(world.aws.appflow.credentials('sf') ?? {}).sort()).toEqual([
          'accessToken',
          'oAuth2GrantType',
        ]);
      } else {
        expect(report?.error).toMatchObject({
          code: 'SECRET_MALFORMED',
          hint: expect.stringContaining('"handOver": "ACCESS_TOKEN"'),
        });
        expect(world.salesforce.calls).toEqual([]);
      }
    },
  );

  it('reports an unreadable token secret in a dry run', async () => {
    const world = await testWorld();
    await world.addCode('sf');
    await world.refresh(['sf']);
    world.aws.secrets.put('appflow-token-refresher-tokens/sf', '{"oops":1}');
    expect((await world.refresh(['sf'], true)).connections[0]?.error?.code).toBe('SECRET_MALFORMED');
  });

  it('makes one exchange and two hand-overs when AppFlow cannot log in with the new access token', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    world.fault = ({ operation }, phase) =>
      operation === 'UpdateConnectorProfile' && phase === 'before'
        ? { status: 401, code: 'ConnectorAuthenticationException' }
        : undefined;
    await world.tick();
    expect(exchanges(world)).toBe(1);
    expect(world.aws.calls.filter(({ operation }) => operation === 'UpdateConnectorProfile')).toHaveLength(2);
  });

  it('exchanges again when the token that never reached AppFlow has grown too old', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf', {}, { 'refresh-interval-seconds': '5400' });
    world.fault = ({ operation }, phase) =>
      operation === 'UpdateConnectorProfile' && phase === 'before'
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await world.tick();
    world.fault = undefined;
    // 45 minutes later the token has less than an interval left, though its session is long enough.
    for (let n = 0; n < 9; n++) {
      world.clock.turn(300);
      await world.tick();
    }
    expect(world.salesforce.accessTokenIsLive(world.aws.appflow.credentials('sf')?.accessToken ?? '')).toBe(true);
    expect(exchanges(world)).toBeLessThanOrEqual(2);
  });

  it('continues after a rotation by Terraform, whose version id is not a UUID', async () => {
    const world = await testWorld({ rotation: true });
    const seed = await world.addCode('sf');
    await world.refresh(['sf']);
    const event = {
      SecretId: 'appflow-token-refresher-tokens/sf',
      ClientRequestToken: 'terraform-20261124030000000000000001',
    };
    for (const Step of ['create_secret', 'set_secret', 'test_secret', 'finish_secret']) {
      await world.invoke('rotate', { ...event, Step });
    }
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(world.salesforce.family(seed)).toMatchObject({ alive: true, exchanges: 3 });
  });

  it('spends no token in a rotation of a profile that belongs to another connection', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    await world.refresh(['sf']);
    world.addJwt('an-older-one', {}, { 'connector-profile-name': 'sf' });
    const event = { SecretId: 'appflow-token-refresher-tokens/sf', ClientRequestToken: crypto.randomUUID() };
    await expect(world.invoke('rotate', { ...event, Step: 'createSecret' })).rejects.toMatchObject({
      name: 'PROFILE_SHARED',
    });
    expect(exchanges(world)).toBe(1);
  });

  it('fills a token secret that was created without a value', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    world.aws.secrets.create({ name: 'appflow-token-refresher-tokens/sf' });
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('empties escrow even when the retry shares its batch with a message of a later tick', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    await world.refresh(['sf']);
    world.clock.turn(3600);
    let exchanged = false;
    world.fault = ({ operation }, phase) => {
      if (operation === 'token:refresh_token' && phase === 'after') exchanged = true;
      return exchanged && phase === 'before' && operation === 'PutSecretValue'
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    };
    await world.tick();
    world.fault = undefined;
    expect(world.aws.parameters.all()).toHaveLength(1);
    // A second message for the connection, of a tick before the hand-over too: alone it would be up to date.
    const [retry] = world.aws.queue.messages(QUEUE);
    world.aws.queue.send(QUEUE, { body: retry?.body ?? '', groupId: retry?.groupId, deduplicationId: 'another' });
    const [first, second] = world.aws.queue.messages(QUEUE);
    expect([first?.receiveCount, second?.receiveCount]).toEqual([1, 0]);
    world.clock.turn(271);
    const later = JSON.parse(retry?.body ?? '{}');
    later.scheduledTime = new Date(Date.parse(later.scheduledTime) + 1).toISOString();
    world.aws.queue.send(QUEUE, { body: JSON.stringify(later), groupId: retry?.groupId, deduplicationId: 'later' });
    await world.serveQueue();
    expect(world.aws.parameters.all()).toHaveLength(0);
    expect(world.salesforce.spentTokenUses).toBe(0);
  });

  it('exchanges no token in a dry run', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('sf');
    expect(await world.refresh(['sf'], true)).toMatchObject({
      ok: true,
      connections: [{ outcome: 'would-refresh', validUntil: null }],
    });
    expect(world.salesforce.calls).toHaveLength(0);
    expect(world.tokens('sf')).toBeUndefined();
  });

  it('stores the token from escrow as soon as the secret accepts it again', async () => {
    const world = await testWorld({ rotation: true });
    const seed = await world.addCode('sf');
    await world.refresh(['sf']);
    let exchanged = false;
    world.fault = ({ operation }, phase) => {
      if (operation === 'token:refresh_token' && phase === 'after') exchanged = true;
      return exchanged && phase === 'before' && operation === 'PutSecretValue'
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    };
    const report = await first(world, 'sf');
    expect(report?.error).toMatchObject({ code: 'TOKEN_NOT_PERSISTED', retryable: true });
    expect(report?.error?.message).toContain('/appflow-token-refresher/escrow/sf');
    expect(world.aws.parameters.all()).toHaveLength(1);
    expect(world.salesforce.accessTokenIsLive(world.aws.appflow.credentials('sf')?.accessToken ?? '')).toBe(true);
    world.fault = undefined;
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'in-progress' });
    world.clock.turn(110);
    expect(await first(world, 'sf')).toMatchObject({ outcome: 'refreshed' });
    expect(world.aws.parameters.all()).toHaveLength(0);
    expect(world.salesforce.family(seed)).toMatchObject({
      alive: true,
      liveRefreshToken: world.tokens('sf')?.['refreshToken'],
    });
    expect(world.salesforce.spentTokenUses).toBe(0);
  });
});
