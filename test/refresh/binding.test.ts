import { describe, expect, it } from 'vitest';
import { CLIENT_APP, CODE_APP, CODE_SECRET, START, type TestWorld, testWorld } from '../support/world.ts';

const SERVES = 'appflow-token-refresher-connections';

const failure = async (world: TestWorld, name: string, dryRun = false) =>
  (await world.refresh([name], dryRun)).connections[0]?.error;

/** Calls that obtain, spend or hand over something. */
const acts = (world: TestWorld) => [
  ...world.salesforce.calls.filter(({ operation }) => operation.startsWith('token:')).map(({ operation }) => operation),
  ...world.aws.calls
    .map(({ operation }) => operation)
    .filter((name) => /^(UpdateConnectorProfile|Sign|Put(SecretValue|Parameter))$/.test(name)),
];

function message(connection: string, connectorProfileName: string) {
  const body = JSON.stringify({
    connection,
    connectorProfileName,
    intervalSeconds: 3600,
    scheduledTime: START.toISOString(),
  });
  return { Records: [{ eventSource: 'aws:sqs', messageId: 'one', body, attributes: {} }] };
}

describe('the profile that a credential goes to', () => {
  it('is never one that a message alone names', async () => {
    const world = await testWorld();
    world.addJwt('payroll', { handOver: 'ACCESS_TOKEN' });
    world.addProfile('theirs');
    await world.addCode('tokens');
    const before = world.aws.appflow.profiles();
    for (const name of ['payroll', 'tokens']) {
      expect(await world.invoke('refresh', message(name, 'theirs'))).toEqual({ batchItemFailures: [] });
    }
    expect(world.aws.appflow.profiles()).toEqual(before);
    expect(acts(world)).toEqual([]);
  });

  it('is never one that a tag alone names, however the refresh is asked for', async () => {
    const world = await testWorld({ rotation: true });
    await world.addCode('payroll');
    await world.refresh(['payroll']);
    world.addProfile('theirs');
    world.aws.secrets.tag('appflow-token-refresher/payroll', { 'connector-profile-name': 'theirs' });
    const before = world.aws.appflow.profiles();
    const spent = world.salesforce.calls.length;
    expect(await failure(world, 'payroll')).toEqual({
      code: 'PROFILE_MISMATCH',
      retryable: false,
      message:
        'The value of appflow-token-refresher/payroll is for another connector profile than theirs, which its tag, or what asked for this refresh, names.',
      hint: 'If theirs is right, put "connectorProfileName": "theirs" into the value of appflow-token-refresher/payroll; if not, correct its tag connector-profile-name. Until then payroll is not refreshed.',
    });
    expect((await failure(world, 'payroll', true))?.code).toBe('PROFILE_MISMATCH');
    const event = { SecretId: 'appflow-token-refresher-tokens/payroll', ClientRequestToken: crypto.randomUUID() };
    await expect(world.invoke('rotate', { ...event, Step: 'createSecret' })).rejects.toMatchObject({
      name: 'PROFILE_MISMATCH',
    });
    world.clock.turn(7200);
    await world.tick();
    expect(world.aws.appflow.profiles()).toEqual(before);
    expect(world.salesforce.calls.length).toBe(spent);
  });

  it('is never one that the value names and the tag does not', async () => {
    const world = await testWorld();
    world.addJwt('greedy', { connectorProfileName: 'payroll' });
    world.addJwt('payroll');
    expect((await failure(world, 'greedy'))?.code).toBe('PROFILE_MISMATCH');
    expect(await failure(world, 'payroll')).toBeUndefined();
  });

  it('is never one of a failed flow that the value does not name', async () => {
    const world = await testWorld();
    world.addJwt('payroll');
    world.addProfile('theirs');
    world.aws.appflow.flows.create({ flowName: 'flow', connectorProfileName: 'theirs' });
    world.aws.secrets.tag('appflow-token-refresher/payroll', { 'connector-profile-name': 'theirs' });
    world.clock.turn(1200);
    const before = world.aws.appflow.profiles();
    await world.invoke('heal', {
      id: 'event',
      time: new Date(world.clock.now()).toISOString(),
      'detail-type': 'AppFlow End Flow Run Report',
      detail: {
        'flow-name': 'flow',
        error: 'invalid_grant',
        'start-time': new Date(world.clock.now() - 60_000).toISOString(),
      },
    });
    expect(world.aws.appflow.profiles()).toEqual(before);
    expect(acts(world)).toEqual([]);
  });

  it('may have a name of its own where value and tag agree', async () => {
    const world = await testWorld();
    world.addJwt('sf', {}, { 'connector-profile-name': 'Sales+EU@prod' });
    expect(await failure(world, 'sf')).toBeUndefined();
  });
});

describe('of several secrets on one profile', () => {
  it('the one that was created first is served, and a newer one cannot stop it', async () => {
    const world = await testWorld();
    world.addJwt('z-first', {}, { 'connector-profile-name': 'both' });
    world.clock.turn(60);
    world.addJwt('a-second', {}, { 'connector-profile-name': 'both' });
    world.clock.turn(-60);
    const report = await world.refresh(['a-second', 'z-first']);
    expect(report.connections.map(({ error }) => error?.code)).toEqual(['PROFILE_SHARED', undefined]);
    expect(report.connections[0]?.error?.message).toBe(
      'The connector profile both belongs to z-first, whose secret was created first; not served for it: a-second.',
    );
    world.clock.turn(3700);
    expect(await world.invoke('dispatch', {})).toMatchObject({ due: 1, enqueued: 1, sharedProfiles: ['both'] });
  });

  it.each(['AccessDeniedException', 'InternalServiceError'])(
    'the served one keeps its profile where it cannot be described: %s',
    async (code) => {
      const world = await testWorld({
        intercept: ({ operation, input }, phase) =>
          phase === 'before' && operation === 'DescribeSecret' && JSON.stringify(input).includes('/z-first')
            ? { status: 400, code }
            : undefined,
      });
      world.addJwt('z-first', {}, { 'connector-profile-name': 'both' });
      world.clock.turn(60);
      world.addJwt('a-second', {}, { 'connector-profile-name': 'both' });
      const report = await world.refresh(['z-first', 'a-second']);
      expect(report.connections.map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
      expect(report.connections[1]?.error?.code).toBe('PROFILE_SHARED');
    },
  );

  it('the name decides where both were created at once', async () => {
    const world = await testWorld();
    world.addJwt('two', {}, { 'connector-profile-name': 'both' });
    world.addJwt('one', {}, { 'connector-profile-name': 'both' });
    expect(await failure(world, 'one')).toBeUndefined();
    expect((await failure(world, 'two'))?.code).toBe('PROFILE_SHARED');
  });

  it('the served one is healed, whatever else names the profile', async () => {
    const world = await testWorld();
    world.addJwt('one', {}, { 'connector-profile-name': 'both' });
    world.addJwt('two', {}, { 'connector-profile-name': 'both' });
    world.aws.appflow.flows.create({ flowName: 'flow', connectorProfileName: 'both' });
    world.aws.appflow.putProfile({
      name: 'both',
      createdAt: new Date(0),
      lastUpdatedAt: new Date(world.clock.now() - 1_800_000),
    });
    const report = await world.invoke('heal', {
      id: 'event',
      time: START.toISOString(),
      'detail-type': 'AppFlow End Flow Run Report',
      detail: { 'flow-name': 'flow', error: 'invalid_grant', 'start-time': START.toISOString() },
    });
    expect(report).toMatchObject({ outcome: 'healed', connections: [{ connection: 'one', outcome: 'refreshed' }] });
  });
});

describe('a profile that points elsewhere', () => {
  it.each([
    'https://evil.example',
    'https://acme.my.salesforce.com.evil.example',
    'http://acme.my.salesforce.com',
    'https://acme.my.salesforce.com:8443',
    'https://user@acme.my.salesforce.com',
    String.raw`https://acme.my.salesforce.com\@evil.example`,
    'https://evil.example#.my.salesforce.com',
    'https://evil.example?.my.salesforce.com',
    'evil.example/acme.my.salesforce.com',
    'https://127.0.0.1',
    '//evil.example',
    'https://salesforce.com',
    'https://acme.my.salesforce.com.',
  ])('is given nothing, such as one at %s', async (instanceUrl) => {
    const world = await testWorld();
    const seed = await world.addCode('sf');
    world.addProfile('sf', { instanceUrl });
    const error = await failure(world, 'sf');
    expect(error?.code).toBe('INSTANCE_HOST_REFUSED');
    expect(JSON.stringify(error)).not.toContain('evil');
    expect((await failure(world, 'sf', true))?.code).toBe('INSTANCE_HOST_REFUSED');
    expect(acts(world)).toEqual([]);
    expect(world.salesforce.family(seed)).toMatchObject({ exchanges: 0 });
  });

  it.each([
    'https://acme.my.salesforce.com',
    'https://acme.my.salesforce.com/',
    'https://ACME.my.salesforce.com/services',
    'acme.my.salesforce.com',
    'https://acme.lightning.force.com',
    'https://acme.my.salesforce.mil',
    undefined,
  ])('is no worry at %s', async (instanceUrl) => {
    const world = await testWorld();
    world.addJwt('sf');
    world.addProfile('sf', { instanceUrl });
    expect(await failure(world, 'sf')).toBeUndefined();
  });

  it('may do so at a host that the deployment lists', async () => {
    const world = await testWorld({ settings: { INSTANCE_HOSTS: 'proxy.example.com' } });
    world.addJwt('sf');
    world.addProfile('sf', { instanceUrl: 'https://proxy.example.com' });
    expect(await failure(world, 'sf')).toBeUndefined();
  });
});

describe('a KMS key', () => {
  async function withKey(tags: Record<string, string>) {
    const world = await testWorld();
    const keyId = await world.addKey(tags);
    world.addJwt('sf', { privateKey: undefined, kmsKeyId: keyId });
    return { world, keyId };
  }

  it.each([
    { [SERVES]: 'other sf' },
    { [SERVES]: ':any' },
    { [SERVES]: 'other', [`${SERVES}-2`]: 'sf' },
    { [`${SERVES}-9`]: 'sf' },
  ])('signs for a connection that its tags %j name', async (tags) => {
    const { world } = await withKey(tags);
    expect(await failure(world, 'sf')).toBeUndefined();
  });

  it.each([
    {},
    { [SERVES]: '' },
    { [SERVES]: 'sf-prod' },
    { [SERVES]: 'other,sf' },
    { [SERVES]: 'any' },
    { [SERVES]: '*' },
    { [SERVES]: 'SF' },
    { [`${SERVES}-1`]: 'sf' },
    { [`${SERVES}-10`]: 'sf' },
    { 'appflow-token-refresher': 'sign' },
  ])('signs nothing for a connection that its tags %j do not name', async (tags) => {
    const { world } = await withKey(tags);
    expect((await failure(world, 'sf'))?.code).toBe('ACCESS_DENIED');
    expect(acts(world)).toEqual([]);
  });

  it('is refused with the command that adds the connection to those that it serves', async () => {
    const { world, keyId } = await withKey({ [SERVES]: 'one two' });
    expect(await failure(world, 'sf')).toEqual({
      code: 'ACCESS_DENIED',
      retryable: false,
      message: `The KMS key ${world.aws.kms.arn(keyId)} does not say that it serves sf: its tag ${SERVES} does not name it.`,
      hint: `If it should, its owner runs: aws kms tag-resource --key-id ${world.aws.kms.arn(keyId)} --tags 'TagKey=${SERVES},TagValue=one two sf'`,
    });
  });

  it('is refused by its role where it has no such tag, with the same cure', async () => {
    const { world, keyId } = await withKey({});
    world.aws.access.deny([{ action: 'kms:DescribeKey' }]);
    expect(await failure(world, 'sf')).toMatchObject({
      code: 'ACCESS_DENIED',
      hint: expect.stringContaining(`aws kms tag-resource --key-id ${keyId} --tags 'TagKey=${SERVES},TagValue=sf'`),
    });
  });

  it('signs as what was checked, also where its alias names another key since', async () => {
    const { world, keyId } = await withKey({ [SERVES]: 'sf' });
    world.aws.kms.alias('alias/mine', keyId);
    world.aws.secrets.remove('appflow-token-refresher/sf');
    world.addJwt('sf', { privateKey: undefined, kmsKeyId: 'alias/mine' });
    expect(await failure(world, 'sf')).toBeUndefined();
    world.aws.kms.alias('alias/mine', await world.aws.kms.createKey('RSA_2048'));
    expect(await failure(world, 'sf')).toBeUndefined();
    expect(await world.aws.appflow.useConnection('sf')).toMatchObject({ ok: true });
  });

  it('is looked up once a container, and again where it did not serve', async () => {
    const { world, keyId } = await withKey({ [SERVES]: 'other' });
    const lookUps = () => world.aws.calls.filter(({ operation }) => operation === 'DescribeKey').length;
    expect((await failure(world, 'sf'))?.code).toBe('ACCESS_DENIED');
    world.aws.kms.tag(keyId, { [SERVES]: 'other sf' });
    expect(await failure(world, 'sf')).toBeUndefined();
    expect(await failure(world, 'sf')).toBeUndefined();
    expect(lookUps()).toBe(2);
  });
});

describe('a client secret', () => {
  it('serves nobody without its tag, and says which command changes that', async () => {
    const world = await testWorld();
    const arn = world.addClient('sf', { handOver: 'ACCESS_TOKEN' });
    world.aws.secrets.tag('appflow-client-credentials/sf', {});
    expect(await failure(world, 'sf')).toEqual({
      code: 'ACCESS_DENIED',
      retryable: false,
      message: `The client secret ${arn} does not say that it serves sf: its tag ${SERVES} does not name it.`,
      hint: `If it should, its owner runs: aws secretsmanager tag-resource --secret-id ${arn} --tags 'Key=${SERVES},Value=sf'`,
    });
    expect(world.aws.calls.filter(({ operation }) => operation === 'GetSecretValue')).toEqual([]);
    world.aws.secrets.tag('appflow-client-credentials/sf', { [SERVES]: 'sf' });
    expect(await failure(world, 'sf')).toBeUndefined();
  });

  it('is not handed to AppFlow for a connection that it does not serve, and no token is spent', async () => {
    const world = await testWorld({ rotation: true });
    const arn = world.addClient('theirs', {}, { clientId: CODE_APP, clientSecret: CODE_SECRET });
    const seed = await world.addCode('sf', { clientCredentialsArn: arn });
    expect((await failure(world, 'sf'))?.code).toBe('ACCESS_DENIED');
    expect((await failure(world, 'sf', true))?.code).toBe('ACCESS_DENIED');
    expect(world.salesforce.family(seed)).toMatchObject({ exchanges: 0 });
    expect(acts(world)).toEqual([]);
    expect(CLIENT_APP).not.toBe(CODE_APP);
  });
});
