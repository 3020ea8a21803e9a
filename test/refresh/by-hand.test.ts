import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type TestWorld, testWorld } from '../support/world.ts';

const outcomes = async (world: TestWorld, names: string[]) =>
  (await world.refresh(names)).connections.map(({ outcome, error }) => error?.code ?? outcome);
const thrown = (promise: Promise<unknown>) =>
  promise.then(
    () => {
      throw new Error('it did not throw');
    },
    (error: Error) => error,
  );

describe('refresh by hand', () => {
  it('throws INPUT_INVALID with every problem of the event before it calls a service', async () => {
    const world = await testWorld();
    const error = await thrown(world.invoke('refresh', { connections: [], dryRun: 'yes', conections: 1 }));
    expect(error.name).toBe('INPUT_INVALID');
    expect(error.message).toContain('connections is empty');
    expect(error.message).toContain('dryRun must be true or false');
    expect(error.message).toContain('conections');
    expect(world.aws.calls).toHaveLength(0);
  });

  it.each([
    [null],
    ['sf-prod'],
    [[]],
    [{}],
    [{ connections: 'sf-prod' }],
    [{ connections: ['no spaces, please'] }],
    [{ connections: [7] }],
    [{ Records: [] }],
  ])('refuses the event %j', async (event) => {
    const world = await testWorld();
    expect((await thrown(world.invoke('refresh', event))).name).toBe('INPUT_INVALID');
  });

  it('refreshes a connection once when it is named twice', async () => {
    const world = await testWorld();
    world.addJwt('a');
    expect(await outcomes(world, ['a', 'a'])).toEqual(['refreshed']);
  });

  it('answers in the order of the event and serves good connections beside bad ones', async () => {
    const world = await testWorld();
    world.addJwt('good');
    world.addJwt('typo', { usrname: 'x' });
    world.addJwt('elsewhere', { loginUrl: 'https://login.evil.example' });
    world.addJwt('ec', {
      privateKey: generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString(),
    });
    world.addJwt('no-profile');
    world.aws.appflow.removeProfile('no-profile');
    world.addJwt('marketo');
    world.aws.appflow.putProfile({ name: 'marketo', connectorType: 'Marketo' });
    world.addJwt('fast', {}, { 'refresh-interval-seconds': '30m' });
    world.aws.secrets.create({ name: 'appflow-token-refresher/not-json', value: 'password123' });
    world.addProfile('not-json');
    const names = ['ec', 'missing', 'typo', 'good', 'elsewhere', 'no-profile', 'marketo', 'fast', 'not-json'];
    const report = await world.refresh(names);
    expect(report.ok).toBe(false);
    expect(report.connections.map(({ connection }) => connection)).toEqual(names);
    expect(report.connections.map(({ outcome, error }) => error?.code ?? outcome)).toEqual([
      'KEY_UNUSABLE',
      'SECRET_NOT_FOUND',
      'SECRET_MALFORMED',
      'refreshed',
      'LOGIN_HOST_REFUSED',
      'PROFILE_NOT_FOUND',
      'PROFILE_NOT_SALESFORCE',
      'SECRET_MALFORMED',
      'SECRET_MALFORMED',
    ]);
    expect(JSON.stringify(report)).not.toContain('password123');
    expect(report.connections[1]).not.toHaveProperty('grantType');
  });

  it('serves the first created of two secrets that share a profile, even when only the other one is named', async () => {
    const world = await testWorld();
    world.addJwt('one', {}, { 'connector-profile-name': 'both' });
    world.addJwt('two', {}, { 'connector-profile-name': 'both' });
    expect(await outcomes(world, ['two'])).toEqual(['PROFILE_SHARED']);
    expect(await outcomes(world, ['two', 'one'])).toEqual(['PROFILE_SHARED', 'refreshed']);
  });

  it('changes nothing in a dry run and reports what a run would do', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.addJwt('b', { handOver: 'ACCESS_TOKEN' });
    const before = world.aws.appflow.profiles();
    const report = await world.refresh(['a', 'b'], true);
    expect(report).toMatchObject({
      ok: true,
      dryRun: true,
      connections: [
        { outcome: 'would-refresh', validUntil: '2026-11-24T07:00:00.000Z' },
        { outcome: 'would-refresh', validUntil: null },
      ],
    });
    expect(world.aws.appflow.profiles()).toEqual(before);
    expect(world.aws.calls.map(({ operation }) => operation)).not.toContain('UpdateConnectorProfile');
  });

  it('reports an unsupported grant in a dry run', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.aws.appflow.supportedGrants = ['AUTHORIZATION_CODE'];
    expect((await world.refresh(['a'], true)).connections[0]?.error?.code).toBe('GRANT_UNSUPPORTED');
  });

  it('names the action and the resource that IAM denies', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.aws.access.deny([{ action: 'appflow:UpdateConnectorProfile', resource: '*' }]);
    const error = (await world.refresh(['a'])).connections[0]?.error;
    expect(error).toMatchObject({ code: 'ACCESS_DENIED', retryable: false });
    expect(error?.message).toContain('appflow:UpdateConnectorProfile');
    expect(error?.message).toContain('connectorprofile/a');
  });

  it('names the secret that IAM forbids to read', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.addJwt('b');
    world.aws.access.deny([
      { action: 'secretsmanager:GetSecretValue', resource: '*secret:appflow-token-refresher/a-*' },
    ]);
    const report = await world.refresh(['a', 'b']);
    expect(report.connections.map(({ outcome, error }) => error?.code ?? outcome)).toEqual([
      'ACCESS_DENIED',
      'refreshed',
    ]);
    expect(report.connections[0]?.error?.message).toContain('appflow-token-refresher/a');
  });

  it('reports SECRETS_UNAVAILABLE for a connection when Secrets Manager fails', async () => {
    const world = await testWorld();
    world.addJwt('a');
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'BatchGetSecretValue'
        ? { status: 500, code: 'InternalServiceError' }
        : undefined;
    expect(await outcomes(world, ['a'])).toEqual(['SECRETS_UNAVAILABLE']);
  });

  it('reports every wrong setting in one error', async () => {
    const world = await testWorld({
      settings: {
        TICK_SECONDS: 'often',
        RERUN_FLOWS: 'maybe',
        LOGIN_HOSTS: 'ftp://x',
        SECRET_PREFIX: 'x/',
        TOKEN_PREFIX: 'x/tokens/',
      },
    });
    const error = await thrown(world.invoke('refresh', { connections: ['a'] }));
    expect(error.name).toBe('SETTINGS_INVALID');
    for (const name of ['TICK_SECONDS', 'RERUN_FLOWS', 'LOGIN_HOSTS', 'SECRET_PREFIX begins TOKEN_PREFIX'])
      expect(error.message).toContain(name);
  });
});
