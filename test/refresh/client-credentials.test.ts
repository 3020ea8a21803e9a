import { describe, expect, it } from 'vitest';
import { CLIENT_APP, START, type TestWorld, testWorld } from '../support/world.ts';

const first = async (world: TestWorld, name: string, dryRun = false) =>
  (await world.refresh([name], dryRun)).connections[0];

describe('refresh of a CLIENT_CREDENTIALS connection', () => {
  it('hands over the ARN when AppFlow supports the grant', async () => {
    const world = await testWorld();
    world.aws.appflow.supportedGrants = ['AUTHORIZATION_CODE', 'JWT_BEARER', 'CLIENT_CREDENTIALS'];
    const arn = world.addClient('cc');
    expect(await first(world, 'cc')).toEqual({
      connection: 'cc',
      connectorProfileName: 'cc',
      grantType: 'CLIENT_CREDENTIALS',
      handOver: 'CLIENT_CREDENTIALS_ARN',
      outcome: 'refreshed',
      validUntil: null,
    });
    expect(world.aws.appflow.credentials('cc')).toEqual({
      oAuth2GrantType: 'CLIENT_CREDENTIALS',
      clientCredentialsArn: arn,
    });
    expect(await world.aws.appflow.useConnection('cc')).toMatchObject({ ok: true });
  });

  it('reports GRANT_UNSUPPORTED and suggests ACCESS_TOKEN when AppFlow lacks the grant', async () => {
    const world = await testWorld();
    world.addClient('cc');
    const error = (await first(world, 'cc'))?.error;
    expect(error).toMatchObject({ code: 'GRANT_UNSUPPORTED', retryable: false });
    expect(error?.hint).toContain('"handOver": "ACCESS_TOKEN"');
  });

  it('asks AppFlow for its supported grants once per batch', async () => {
    const world = await testWorld();
    for (const name of ['a', 'b', 'c']) world.addClient(name);
    await world.refresh(['a', 'b', 'c']);
    expect(world.aws.calls.filter(({ operation }) => operation === 'DescribeConnectors')).toHaveLength(1);
  });

  it('fetches the access token itself and hands it over as AUTHORIZATION_CODE when handOver is ACCESS_TOKEN', async () => {
    const world = await testWorld();
    world.addClient('cc', { handOver: 'ACCESS_TOKEN' });
    expect(await first(world, 'cc')).toMatchObject({
      handOver: 'ACCESS_TOKEN',
      outcome: 'refreshed',
      validUntil: new Date(START.getTime() + 7_200_000).toISOString(),
    });
    const held = world.aws.appflow.credentials('cc');
    expect(Object.keys(held ?? {}).sort()).toEqual(['accessToken', 'oAuth2GrantType']);
    expect(held?.oAuth2GrantType).toBe('AUTHORIZATION_CODE');
    expect(world.salesforce.accessTokenIsLive(held?.accessToken ?? '')).toBe(true);
  });

  it.each([
    ['a wrong client secret', { clientId: CLIENT_APP, clientSecret: 'wrong' }, 'SALESFORCE_REFUSED'],
    ['no client secret', { clientId: CLIENT_APP }, 'SECRET_MALFORMED'],
    ['text that is not JSON', 'consumer-secret', 'SECRET_MALFORMED'],
  ])('keeps the working credentials in AppFlow despite %s', async (_what, client, code) => {
    const world = await testWorld();
    world.aws.appflow.supportedGrants = ['CLIENT_CREDENTIALS'];
    world.addClient('cc', {}, client);
    const before = world.aws.appflow.profile('cc');
    expect((await first(world, 'cc', true))?.error?.code).toBe(code);
    const report = await first(world, 'cc');
    expect(report?.error?.code).toBe(code);
    expect(JSON.stringify(report)).not.toContain('consumer-secret');
    expect(world.aws.appflow.profile('cc')).toEqual(before);
  });

  it('reads a managed external secret where it fetches the access token itself', async () => {
    const world = await testWorld();
    const managed = { consumerKey: CLIENT_APP, consumerSecret: 'consumer-secret', environmentId: 'x' };
    world.addClient('cc', { handOver: 'ACCESS_TOKEN' }, managed);
    expect(await first(world, 'cc')).toMatchObject({ outcome: 'refreshed', handOver: 'ACCESS_TOKEN' });
  });

  it('names the secret in which a value ends with a line break, before anything is sent', async () => {
    const world = await testWorld();
    world.addClient('cc', { handOver: 'ACCESS_TOKEN' }, { clientId: CLIENT_APP, clientSecret: 'consumer-secret\n' });
    expect((await first(world, 'cc'))?.error).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: expect.stringMatching(
        /^In the secret arn:.*appflow-client-credentials\/cc.*: clientSecret ends with a line break\.$/,
      ),
    });
    expect(world.salesforce.calls).toEqual([]);
  });

  it('reports LIFETIME_TOO_SHORT for a token that expires before the next refresh', async () => {
    const world = await testWorld({ settings: { REFRESH_INTERVAL_SECONDS: '10000', JWT_LIFETIME_SECONDS: '20000' } });
    world.addClient('cc', { handOver: 'ACCESS_TOKEN' });
    expect((await first(world, 'cc'))?.error?.code).toBe('LIFETIME_TOO_SHORT');
  });

  it('refuses an ARN outside the permitted prefix or partition', async () => {
    const world = await testWorld();
    world.addClient('cc', {
      clientCredentialsArn: 'arn:aws:secretsmanager:us-east-1:123456789012:secret:payroll/master-abc123',
    });
    expect((await first(world, 'cc'))?.error?.code).toBe('SECRET_MALFORMED');
    world.addClient('gov', {
      clientCredentialsArn:
        'arn:aws-us-gov:secretsmanager:us-gov-west-1:123456789012:secret:appflow-client-credentials/x-abc123',
    });
    const error = (await first(world, 'gov'))?.error;
    expect(error?.code).toBe('CONSTRAINT_VIOLATED');
    expect(error?.message).toContain('another partition');
  });
});
