import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { captureOutput } from '../../infra/local/output.ts';
import { APP, CODE_APP, CODE_SECRET, USER } from '../support/world.ts';
import { Estate, HOUR, PATIENCE } from './estate.ts';

// One after the other: the functions run in this process, and its environment is that of one world.

const ONE = v.object({ connections: v.tuple([v.record(v.string(), v.unknown())]) });
const Checked = v.object({
  connections: v.tuple([
    v.object({ checks: v.array(v.object({ check: v.string(), result: v.string(), detail: v.string() })) }),
  ]),
});

process.env['POWERTOOLS_LOG_LEVEL'] = 'INFO';
process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';

/** By the deployed function, so many hours ago. What it logs is in the local log alone. */
async function invoked(estate: Estate, name: string, hours: number): Promise<unknown> {
  const run = () => estate.world.invoke('refresh', { connections: [name] });
  return (await captureOutput(() => estate.earlier(hours, run))).result;
}

async function refreshed(estate: Estate, name: string, hours: number): Promise<void> {
  expect(await invoked(estate, name, hours)).toMatchObject({ ok: true });
}

async function statusOf(estate: Estate, ...options: string[]) {
  const { code, body, stderr } = await estate.json(['status', ...options]);
  return { code, body, stderr, one: v.parse(ONE, body).connections[0] };
}

async function checkOf(estate: Estate, name: string) {
  const { code, body } = await estate.json(['check', name]);
  const [{ checks }] = v.parse(Checked, body).connections;
  return { code, body, row: (step: string) => checks.find(({ check }) => check === step) };
}

const spent = (estate: Estate) =>
  estate.world.salesforce.calls.filter(({ operation }) => operation === 'token:refresh_token');

describe('a refresh token whose family was revoked', { timeout: PATIENCE }, () => {
  it('is dead for check and status --why where the connection has a client secret, and nothing is spent to know it', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    await refreshed(estate, 'sf-eu', 0.2);
    estate.world.salesforce.forget();
    expect(await statusOf(estate, '--why')).toMatchObject({
      code: 0,
      one: { state: 'healthy', proof: { state: 'proven' } },
    });
    await estate.world.salesforce.revoke(CODE_APP, USER);
    const check = await estate.run(['check', 'sf-eu']);
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/^✗ sf-eu\n/);
    expect(check.stdout).toMatch(/✗ salesforce +SALESFORCE_REFUSED: .* not active.*\n.* authorize sf-eu\n/);
    expect(await statusOf(estate, '--why')).toMatchObject({
      code: 1,
      one: { state: 'unhealthy', verdict: { outcome: 'failed', error: { code: 'SALESFORCE_REFUSED' } } },
    });
    expect((await estate.run(['status'])).stdout).not.toContain('✓');
    expect(spent(estate)).toEqual([]);
  });

  it('is the seed, where nothing is kept yet', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-new');
    await estate.world.salesforce.revoke(CODE_APP, USER);
    expect(await statusOf(estate, '--why')).toMatchObject({ code: 1, one: { state: 'unhealthy' } });
    expect(estate.world.aws.secrets.names()).not.toContain('appflow-token-refresher-tokens/sf-new');
  });

  it('is unproven without a client secret, which is no failure and no ✓', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu', { clientSecret: undefined });
    await refreshed(estate, 'sf-eu', 0.2);
    await estate.world.salesforce.revoke(CODE_APP, USER);
    estate.world.salesforce.forget();
    const check = await estate.run(['check', 'sf-eu']);
    expect(check.code).toBe(0);
    expect(check.stdout).toMatch(/^\? sf-eu\n/);
    expect(check.stdout).toMatch(/\? salesforce +Salesforce was not asked, or did not say: without a client secret/);
    expect(check.stdout).toMatch(/\? refresh /);
    expect(await statusOf(estate, '--why')).toMatchObject({
      code: 0,
      body: { ok: true },
      one: { state: 'unproven', proof: { state: 'unproven', detail: expect.stringContaining('client secret') } },
    });
    const { stdout } = await estate.run(['status', '--why']);
    expect(stdout).toMatch(/^\? +sf-eu +unproven /m);
    expect(stdout).not.toContain('✓');
    expect(estate.world.salesforce.calls).toEqual([]);
  });

  it('is not called dead while a run that has spent it may still store the next one', async () => {
    let isCut = false;
    await using estate = await Estate.open(({ operation, input }, phase) => {
      const stores = operation === 'PutSecretValue' && !JSON.stringify(input).includes('REFRESH_LEASE');
      return isCut && phase === 'before' && (stores || operation === 'PutParameter')
        ? { status: 400, code: 'AccessDeniedException' }
        : undefined;
    });
    estate.world.salesforce.registerApp({
      clientId: CODE_APP,
      clientSecret: CODE_SECRET,
      users: [USER],
      rotation: true,
    });
    await estate.code('sf-eu');
    await refreshed(estate, 'sf-eu', 0.9);
    isCut = true;
    await invoked(estate, 'sf-eu', 0.2);
    expect(await checkOf(estate, 'sf-eu').then(({ row }) => row('salesforce'))).toMatchObject({
      result: 'unproven',
      detail: expect.stringContaining('may still store'),
    });
  });
});

describe('a wrong certificate', { timeout: PATIENCE }, () => {
  it('is found by status --why as by check, and is what refresh names first', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-prod', { clientId: 'no-certificate' });
    estate.world.salesforce.registerApp({ clientId: 'no-certificate', users: [USER] });
    expect(await statusOf(estate, '--why')).toMatchObject({
      code: 1,
      one: { state: 'unhealthy', verdict: { error: { code: 'SALESFORCE_REFUSED' } } },
    });
    expect((await estate.run(['check', 'sf-prod'])).stdout).toMatch(/^✗ sf-prod/);
    const { stdout } = await estate.run(['refresh', 'sf-prod']);
    expect(stdout).toMatch(/PROFILE_REJECTED: .*\n +→ Check that the certificate of the key that signs for sf-prod/);
  });

  it('is no fault where the next key is the one that Salesforce accepts', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-prod');
    const { privateKey } = estate.read('sf-prod');
    const { makeKeyAndCertificate } = await import('../../infra/cli/certificate.ts');
    const old = (await makeKeyAndCertificate('x', 2048, 10)).privateKey.reveal();
    estate.jwt('sf-next', { privateKey: old, nextPrivateKey: privateKey });
    const { row } = await checkOf(estate, 'sf-next');
    expect(row('salesforce')).toMatchObject({ result: 'ok' });
  });
});

describe('an update by another program', { timeout: PATIENCE }, () => {
  it('of a connection whose runs leave a lease makes it edited for status and check, until it is refreshed', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    await refreshed(estate, 'sf-eu', 0.9);
    const mine = await statusOf(estate);
    expect(mine).toMatchObject({ code: 0, one: { state: 'fresh', edited: null } });
    const { accessToken } = await estate.world.salesforce.issueRefreshToken(CODE_APP, USER);
    await estate.earlier(0.1, () =>
      estate.world.aws.appflow.update('sf-eu', 'Public', {
        connectorProfileProperties: { Salesforce: { instanceUrl: 'https://example.my.salesforce.com' } },
        connectorProfileCredentials: { Salesforce: { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken } },
      }),
    );
    for (const options of [[], ['--why']]) {
      expect(await statusOf(estate, ...options)).toMatchObject({
        code: 1,
        body: { ok: false },
        one: { state: 'edited', edited: { certain: true } },
      });
    }
    const { stdout } = await estate.run(['status']);
    expect(stdout).toMatch(/^✗ +sf-eu +edited /m);
    expect(stdout).toMatch(/sf-eu: edited by another program 6 min ago .*\n.*ignore_changes/);
    const check = await estate.run(['check', 'sf-eu']);
    expect(check.code).toBe(1);
    expect(check.stdout).toMatch(/^✗ sf-eu/);
    expect(check.stdout).toMatch(/✗ update +edited by another program/);

    expect((await estate.run(['refresh', 'sf-eu'])).code).toBe(0);
    expect(await statusOf(estate, '--why')).toMatchObject({ code: 0, one: { state: 'healthy', edited: null } });
  });

  it('of any other connection is not proved: the log has no refresh of that time, and so it is never called healthy', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-prod');
    await refreshed(estate, 'sf-prod', 0.9);
    expect(await statusOf(estate, '--why')).toMatchObject({ code: 0, one: { state: 'healthy', edited: null } });
    const { name, properties } = { name: 'sf-prod', properties: { instanceUrl: 'https://example.my.salesforce.com' } };
    const times = { createdAt: new Date(Date.now() - 48 * HOUR), lastUpdatedAt: new Date(Date.now() - 0.1 * HOUR) };
    estate.world.aws.appflow.putProfile({ name, properties, ...times });
    expect(await statusOf(estate)).toMatchObject({ code: 0, one: { state: 'fresh', edited: { certain: false } } });
    expect(await statusOf(estate, '--why')).toMatchObject({ code: 0, one: { state: 'unproven' } });
    const check = await estate.run(['check', 'sf-prod']);
    expect(check.code).toBe(0);
    expect(check.stdout).toMatch(/^! sf-prod/);
    expect(check.stdout).toMatch(/! update +6 min ago, and not by the functions/);
  });
});

describe('the log of the functions', { timeout: PATIENCE }, () => {
  it('has a connection failing in status where the last attempt failed after its last update', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    await refreshed(estate, 'sf-eu', 0.9);
    await estate.world.salesforce.revoke(CODE_APP, USER);
    await invoked(estate, 'sf-eu', 0.1);
    expect(await statusOf(estate)).toMatchObject({
      code: 1,
      body: { ok: false, log: { read: true } },
      one: {
        state: 'failing',
        lastFailure: {
          at: expect.stringMatching(/Z$/),
          function: 'refresh',
          code: 'SALESFORCE_REFUSED',
          message: 'invalid_grant: expired access/refresh token',
          hint: expect.stringContaining('Authorise the app again'),
        },
      },
    });
    const { stdout } = await estate.run(['status']);
    expect(stdout).toMatch(/^✗ +sf-eu +failing /m);
    expect(stdout).toMatch(/sf-eu: its last attempt failed 6 min ago: SALESFORCE_REFUSED: /);

    estate.world.aws.access.deny([{ action: 'logs:FilterLogEvents' }]);
    expect(await statusOf(estate)).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(/^The functions' log was not read.*logs:FilterLogEvents.*\n$/),
      body: { ok: true, log: { read: false, error: { code: 'ACCESS_DENIED' } } },
      one: { state: 'fresh', lastFailure: null },
    });
    const unknown = await statusOf(estate, '--stage', 'nope');
    expect(unknown).toMatchObject({ code: 0, body: { log: { read: false } } });
  });

  it('does not hold against a connection what failed before it was refreshed', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-prod', { clientId: 'no-certificate' });
    estate.world.salesforce.registerApp({ clientId: 'no-certificate', users: [USER] });
    await invoked(estate, 'sf-prod', 0.9);
    estate.change('sf-prod', { clientId: APP });
    // By this command line, of which that log knows nothing.
    expect((await estate.run(['refresh', 'sf-prod'])).code).toBe(0);
    // One that was updated long ago: the log is read as far back as that.
    estate.jwt('sf-older');
    estate.profile('sf-older', 0.95);
    const { body } = await estate.json(['status']);
    expect(body.connections[1]).toMatchObject({ connection: 'sf-prod', state: 'due', lastFailure: null });
  });

  it('is shown for one connection by logs, newest last, as text and as JSON', async () => {
    await using estate = await Estate.open();
    await estate.code('sf-eu');
    estate.jwt('sf-other');
    await refreshed(estate, 'sf-eu', 5);
    await refreshed(estate, 'sf-other', 5);
    await estate.world.salesforce.revoke(CODE_APP, USER);
    for (const hours of [3, 2]) {
      await invoked(estate, 'sf-eu', hours);
    }
    const { code, body } = await estate.json(['logs', 'sf-eu']);
    expect(code).toBe(0);
    expect(body).toMatchObject({
      connection: 'sf-eu',
      lines: [
        { function: 'refresh', outcome: 'refreshed', code: null, hint: null, times: 1 },
        {
          at: expect.stringMatching(/Z$/),
          function: 'refresh',
          outcome: 'failed',
          code: 'SALESFORCE_REFUSED',
          message: 'invalid_grant: expired access/refresh token',
          hint: expect.stringContaining('Authorise the app again'),
          times: 2,
        },
      ],
    });
    const { stdout } = await estate.run(['logs', 'sf-eu']);
    expect(stdout).toMatch(
      /^\S+Z {2}refresh +refreshed\n\S+Z {2}refresh +SALESFORCE_REFUSED: invalid_grant: .*\n {2}→ Authorise .*\(2 times\)\n$/,
    );
    expect((await estate.json(['logs', 'sf-eu', '--since', '150m'])).body.lines).toHaveLength(1);
    const nothing = await estate.run(['logs', 'sf-eu', '--since', '30m']);
    expect(nothing).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('have logged nothing') });
  });

  it('escapes in logs what a terminal would obey', async () => {
    await using estate = await Estate.open();
    const line = {
      connection: 'sf-eu',
      level: 'ERROR',
      message: 'sf-eu: evil\u001b[2J\u202e',
      code: 'X',
      hint: '\u009b2J',
    };
    estate.world.aws.logs.put('/aws/lambda/appflow-token-refresher-prod-heal', JSON.stringify(line));
    const { stdout } = await estate.run(['logs', 'sf-eu']);
    expect(stdout).toContain('evil\\u001b[2J\\u202e');
    expect(stdout).toMatch(/^[\n\x20-\x7e→]*$/);
  });

  it('is asked for in words that say what is missing', async () => {
    await using estate = await Estate.open();
    const stage = await estate.run(['logs', 'sf-eu', '--stage', 'nope']);
    expect(stage).toMatchObject({ code: 2, stderr: expect.stringContaining('--stage') });
    expect((await estate.run(['logs', 'sf-eu', '--since', '1y'])).code).toBe(2);
    expect((await estate.run(['logs', 'a b'])).code).toBe(2);
    estate.world.aws.access.deny([{ action: 'logs:FilterLogEvents' }]);
    const denied = await estate.run(['logs', 'sf-eu']);
    expect(denied).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('ACCESS_DENIED: logs:FilterLogEvents on'),
    });
  });

  it('is read on, page after page', async () => {
    await using estate = await Estate.open();
    const group = '/aws/lambda/appflow-token-refresher-prod-refresh';
    const put = (connection: string, message: string) =>
      estate.world.aws.logs.put(group, JSON.stringify({ connection, level: 'INFO', message, outcome: message }));
    for (let n = 0; n < 1_200; n++) put('sf-other', 'refreshed');
    put('sf-eu', 'refreshed');
    const { body } = await estate.json(['logs', 'sf-eu']);
    expect(body.lines).toHaveLength(1);
  });
});

describe('the flows at stake', { timeout: PATIENCE }, () => {
  it('are named by status --flows and by check, with what starts them, and cost nothing else', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-prod', {}, { 'connector-profile-name': 'production' });
    const { flows } = estate.world.aws.appflow;
    flows.create({ flowName: 'orders', connectorProfileName: 'production', triggerType: 'Event' });
    flows.create({
      flowName: 'accounts',
      connectorProfileName: 'production',
      triggerType: 'Scheduled',
      schedule: 'rate(1hours)',
    });
    flows.create({ flowName: 'by-hand', connectorProfileName: 'production' });
    for (let n = 0; n < 25; n++) flows.create({ flowName: `other-${n}`, connectorProfileName: 'others' });
    expect((await statusOf(estate, '--flows')).one['flows']).toEqual([
      { flowName: 'accounts', trigger: 'Scheduled rate(1hours)' },
      { flowName: 'by-hand', trigger: 'OnDemand' },
      { flowName: 'orders', trigger: 'Event' },
    ]);
    expect((await estate.run(['status', '--flows'])).stdout).toContain(
      'sf-prod: accounts (Scheduled rate(1hours)), by-hand (OnDemand), orders (Event)\n',
    );
    expect((await checkOf(estate, 'sf-prod')).row('flows')?.detail).toMatch(
      /^accounts \(Scheduled rate\(1hours\)\), by-hand/,
    );
    estate.world.aws.forget();
    expect((await statusOf(estate)).one).not.toHaveProperty('flows');
    expect(estate.world.aws.calls.map(({ operation }) => operation)).not.toContain('ListFlows');

    estate.world.aws.access.deny([{ action: 'appflow:ListFlows' }]);
    const denied = await statusOf(estate, '--flows');
    expect(denied).toMatchObject({
      code: 0,
      one: { flows: null },
      stderr: expect.stringContaining('appflow:ListFlows'),
    });
    expect((await checkOf(estate, 'sf-prod')).row('flows')).toMatchObject({ result: 'not-asked' });
  });
});
