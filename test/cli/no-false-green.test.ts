import { generateKeyPairSync } from 'node:crypto';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { captureOutput } from '../../infra/local/output.ts';
import type { Intercept } from '../../infra/local/wire/traffic.ts';
import { APP, CLIENT_APP, CODE_APP, CODE_SECRET, USER } from '../support/world.ts';
import { Estate, PATIENCE } from './estate.ts';

// One after the other: the functions run in this process, and its environment is that of one world.

process.env['POWERTOOLS_LOG_LEVEL'] = 'INFO';
process.env['POWERTOOLS_METRICS_DISABLED'] = 'true';

const ROTATING_APP = 'rotating-app';
const APPS = [APP, CODE_APP, ROTATING_APP, CLIENT_APP];
/** What each grant may hand over. */
const JWTS = ['jwt', 'jwt-session'];
/** AppFlow is given an access token alone, which it cannot renew. */
const SESSIONS = ['client-session', 'code-rotating', 'jwt-session'];
const NAMES = ['client-arn', 'client-session', 'code', 'code-public', 'code-rotating', 'jwt', 'jwt-session'];
/** Of the others nobody can prove that AppFlow can log in, even where all is well. */
const PROVABLE = ['client-arn', 'code', 'code-rotating', 'jwt'];
const ADMIN = { type: 'AssumedRole', roleName: 'terraform', sessionName: 'apply' } as const;
const DEAD = { oAuth2GrantType: 'JWT_BEARER', jwtToken: 'e30.e30.old' } as const;

/** A connection of each grant with each of what it may hand over and a flow, refreshed by the function twelve minutes ago. */
async function everyGrant(intercept?: Intercept): Promise<Estate> {
  const estate = await Estate.open(intercept);
  const { salesforce, aws } = estate.world;
  aws.appflow.supportedGrants = ['AUTHORIZATION_CODE', 'JWT_BEARER', 'CLIENT_CREDENTIALS'];
  salesforce.registerApp({ clientId: CLIENT_APP, clientSecret: CODE_SECRET, clientCredentialsUser: USER });
  salesforce.registerApp({ clientId: ROTATING_APP, clientSecret: CODE_SECRET, users: [USER], rotation: true });
  estate.jwt('jwt');
  estate.jwt('jwt-session', { handOver: 'ACCESS_TOKEN' });
  await estate.code('code');
  await estate.code('code-public', { clientSecret: undefined });
  const { refreshToken } = await salesforce.issueRefreshToken(ROTATING_APP, USER);
  await estate.code('code-rotating', { clientId: ROTATING_APP, refreshToken });
  for (const [name, handOver] of [
    ['client-session', 'ACCESS_TOKEN'],
    ['client-arn', 'CLIENT_CREDENTIALS_ARN'],
  ] as const) {
    const { arn } = aws.secrets.create({
      name: `appflow-client-credentials/${name}`,
      value: JSON.stringify({ clientId: CLIENT_APP, clientSecret: CODE_SECRET }),
      tags: { 'appflow-token-refresher-connections': name },
    });
    estate.secret(name, { grantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: arn, handOver });
    estate.profile(name);
  }
  for (const name of NAMES) {
    const flow = { flowName: `${name}-hourly`, connectorProfileName: name };
    aws.appflow.flows.create({ ...flow, triggerType: 'Scheduled', schedule: 'rate(1hours)' });
  }
  // Twice: Salesforce tells by the second that its tokens rotate.
  await attempted(estate, 0.3);
  expect(await attempted(estate, 0.2)).toMatchObject({ ok: true });
  return estate;
}

/** By the deployed function, so many hours ago. */
async function attempted(estate: Estate, hours = 0, connections = NAMES): Promise<unknown> {
  const run = () => estate.world.invoke('refresh', { connections });
  return (await captureOutput(() => estate.earlier(hours, run))).result;
}

const Status = v.object({
  connections: v.array(v.object({ connection: v.string(), state: v.string(), doubts: v.array(v.string()) })),
});

/** What `status --why` and `check` show of each connection, in the order of `NAMES`; each other command is held to have no tick at all. */
async function seen(estate: Estate) {
  const status = await estate.json(['status', '--why']);
  const check = await estate.run(['check', '--all']);
  const { connections } = v.parse(Status, status.body);
  const states = new Map(connections.map(({ connection, state }) => [connection, state]));
  const heads = new Map([...check.stdout.matchAll(/^(\S) (\S+)$/gm)].map(([, sign, name]) => [name ?? '', sign ?? '']));
  expect([...states.keys()]).toEqual(NAMES);
  expect([...heads.keys()]).toEqual(NAMES);
  const ticked = NAMES.filter((name) => states.get(name) === 'healthy' || heads.get(name) === '✓');
  // Both know the same.
  for (const name of NAMES) expect([name, states.get(name) === 'healthy']).toEqual([name, heads.get(name) === '✓']);
  const doubts = (of: string) => connections.find(({ connection }) => connection === of)?.doubts.join('; ');
  return {
    ticked,
    states,
    heads,
    doubts,
    codes: [status.code, check.code],
    stderr: status.stderr,
    check: check.stdout,
  };
}

/** Without a probe there is nothing that could be proved. */
async function expectNoTick(estate: Estate): Promise<void> {
  for (const args of [['status'], ['status', '--flows'], ['refresh', '--all', '--dry-run']])
    expect((await estate.run(args)).stdout).not.toContain('✓');
}

const denyLog = (estate: Estate) => estate.world.aws.access.deny([{ action: 'logs:FilterLogEvents' }]);

/** As an administrator would in the list of sessions: the refresh token lives on. */
async function endSession({ world }: Estate, name: string): Promise<void> {
  const token = world.aws.appflow.credentials(name)?.accessToken ?? '';
  const ended = await fetch(`${world.salesforce.url}/services/oauth2/revoke`, {
    method: 'POST',
    body: new URLSearchParams({ token }),
  });
  expect(ended.status).toBe(200);
}

describe('nothing broken is called healthy', { timeout: PATIENCE }, () => {
  it('where all is well, but what can be proved is', async () => {
    await using estate = await everyGrant();
    const well = await seen(estate);
    expect(well).toMatchObject({ ticked: PROVABLE, codes: [0, 0] });
    expect(well.doubts('jwt-session')).toContain('access token that is not kept');
    await expectNoTick(estate);
    denyLog(estate);
    // A lease says of these that the last update was ours; of the others only the log could.
    const silent = await seen(estate);
    expect(silent).toMatchObject({ ticked: ['code', 'code-rotating'], codes: [0, 0] });
    expect(silent.doubts('jwt')).toContain("the functions' log was not read");
    expect(silent.check).toMatch(/\? update +\d+ min ago; who has updated its profile last is not known/);
  });

  it('revoked: at once, after the attempts of the functions, and without their log', async () => {
    await using estate = await everyGrant();
    for (const app of APPS) await estate.world.salesforce.revoke(app, USER);
    // With a JWT or a client secret AppFlow gets itself another session.
    const alive = ['client-arn', 'jwt'];
    for (const name of NAMES)
      expect([name, (await estate.world.aws.appflow.useConnection(name)).ok]).toEqual([name, alive.includes(name)]);
    const once = await seen(estate);
    expect(once).toMatchObject({ ticked: alive, codes: [1, 1] });
    await expectNoTick(estate);
    await attempted(estate, 0, ['code', 'code-public', 'code-rotating']);
    const later = await seen(estate);
    expect(later.ticked).toEqual(alive);
    expect(later.states.get('code-public')).toBe('failing');
    denyLog(estate);
    expect((await seen(estate)).ticked).toEqual([]);
  });

  it('a session that Salesforce has ended, where AppFlow was given nothing else', async () => {
    await using estate = await everyGrant();
    for (const name of SESSIONS) await endSession(estate, name);
    const { ticked, states, check, codes } = await seen(estate);
    expect(ticked).toEqual(['client-arn', 'code', 'jwt']);
    expect(states.get('code-rotating')).toBe('failing');
    expect(check).toMatch(
      /✗ session +SALESFORCE_REFUSED: Salesforce has ended the session .*\n +→ Run refresh code-rot/,
    );
    expect(codes).toEqual([1, 1]);
  });

  it.each([
    ['a moment ago', 0],
    ['6 minutes ago', 0.1],
    ['10 seconds after our own refresh', 0.2 - 10 / 3600],
    ['40 seconds after our own refresh', 0.2 - 40 / 3600],
  ])('overwritten %s', async (when, hours) => {
    await using estate = await everyGrant();
    await estate.earlier(hours, async () => {
      for (const name of NAMES) await estate.world.aws.appflow.overwriteBy(ADMIN, name, DEAD);
    });
    expect((await seen(estate)).ticked).toEqual([]);
    await expectNoTick(estate);
    // Without the log what comes so soon may be ours.
    if (when.startsWith('10 ')) return;
    denyLog(estate);
    expect((await seen(estate)).ticked).toEqual([]);
  });

  it('a wrong certificate: at once, after the attempts, and while the right key is stored again but not yet used', async () => {
    await using estate = await everyGrant();
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const before = estate.read('jwt')['privateKey'];
    const store = (key: unknown) => {
      for (const name of JWTS) estate.change(name, { privateKey: key });
    };
    store(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const others = PROVABLE.filter((name) => !JWTS.includes(name));
    expect((await seen(estate)).ticked).toEqual(others);
    await expectNoTick(estate);
    await attempted(estate, 0, JWTS);
    expect((await seen(estate)).ticked).toEqual(others);
    store(before);
    const mended = await seen(estate);
    expect(mended.ticked).toEqual(others);
    expect(mended.check).toMatch(/! update +\d+ min ago, and a refresh is due since /);
    denyLog(estate);
    expect((await seen(estate)).ticked).toEqual(['code', 'code-rotating']);
  });

  it('a deleted profile: while it is gone, and while it is made again but not yet refreshed', async () => {
    await using estate = await everyGrant();
    const { appflow } = estate.world.aws;
    for (const name of NAMES) await appflow.deleteBy(ADMIN, name);
    expect(await seen(estate)).toMatchObject({ ticked: [], codes: [1, 1] });
    await expectNoTick(estate);
    const properties = { instanceUrl: 'https://example.my.salesforce.com' };
    for (const name of NAMES) appflow.putProfile({ name, properties, credentials: DEAD });
    expect((await seen(estate)).ticked).toEqual([]);
    denyLog(estate);
    expect((await seen(estate)).ticked).toEqual([]);
  });

  it('an outage of AppFlow or Secrets Manager: nothing is known, or the attempts that failed are', async () => {
    let isDown: (call: { service: string; operation: string }) => boolean = () => false;
    await using estate = await everyGrant((call, phase) =>
      phase === 'before' && isDown(call) ? { status: 503, code: 'ServiceUnavailableException' } : undefined,
    );
    const commands = [['status'], ['status', '--why'], ['check', '--all'], ['refresh', '--all', '--dry-run']];
    isDown = ({ service }) => service === 'appflow';
    for (const args of commands) {
      const { code, stdout, stderr } = await estate.run(args);
      expect([args, code]).toEqual([args, 3]);
      expect(`${stdout}${stderr}`).toContain('APPFLOW_UNAVAILABLE');
      expect(stdout).not.toContain('✓');
    }
    isDown = ({ service, operation }) => service === 'secretsmanager' && operation !== 'ListSecrets';
    for (const args of commands.slice(1)) {
      const { code, stdout } = await estate.run(args);
      expect([args, code]).toEqual([args, 3]);
      expect(stdout).toContain('SECRETS_UNAVAILABLE');
      expect(stdout).not.toMatch(/^✓/m);
    }
    // What dates and the log tell is known all the same.
    const { code, stdout } = await estate.run(['status']);
    expect([code, stdout]).toEqual([0, expect.stringContaining('grant unknown: SECRETS_UNAVAILABLE')]);
    isDown = ({ operation }) => operation === 'UpdateConnectorProfile';
    await attempted(estate);
    isDown = () => false;
    expect((await seen(estate)).ticked).toEqual([]);
  });

  it('a flow that is switched off since Salesforce refused the log-in, until it is activated', async () => {
    await using estate = await everyGrant();
    const { flows } = estate.world.aws.appflow;
    for (const name of NAMES)
      flows.deactivate(`${name}-hourly`, 'The flow failed to authenticate with Salesforce too often.');
    const off = await seen(estate);
    expect(off).toMatchObject({ ticked: [], codes: [1, 1] });
    expect([...off.states.values()]).toEqual(NAMES.map(() => 'failing'));
    expect(off.check).toMatch(
      /✗ flows +jwt-hourly \(Scheduled rate\(1hours\)\)\n +switched off, .*: jwt-hourly\.\n +→ heal refreshes jwt and, .* run refresh jwt, and then aws appflow start-flow --flow-name jwt-hourly\n/,
    );
    expect((await estate.run(['status', '--why'])).stdout).toMatch(
      /^jwt: switched off, .*\n {2}→ .* aws appflow start-flow --flow-name jwt-hourly$/m,
    );
    expect((await estate.json(['status', '--flows'])).body.connections[5]).toMatchObject({
      state: 'failing',
      flows: [
        {
          flowName: 'jwt-hourly',
          trigger: 'Scheduled rate(1hours)',
          trouble: { what: 'switched-off', why: 'log-in' },
        },
      ],
    });
    denyLog(estate);
    expect((await seen(estate)).ticked).toEqual([]);
  });

  it('partly mended: refreshed, and a flow still switched off; well again as soon as it is activated', async () => {
    await using estate = await everyGrant();
    const { flows } = estate.world.aws.appflow;
    await estate.earlier(0.15, async () => flows.deactivate('jwt-hourly', null, 'Authentication failure, too often'));
    await attempted(estate, 0.1);
    expect((await seen(estate)).states.get('jwt')).toBe('failing');
    flows.activate('jwt-hourly');
    expect((await seen(estate)).ticked).toEqual(PROVABLE);
  });

  it('a run that could not log in with what AppFlow was given last; one before that is over', async () => {
    await using estate = await everyGrant();
    const { flows } = estate.world.aws.appflow;
    const refused =
      'The request failed because the service Source Salesforce returned the following error: Details: INVALID_SESSION_ID: Session expired or invalid';
    await estate.earlier(0.25, async () => flows.fail('code-hourly', refused));
    await estate.earlier(0.1, async () => flows.fail('jwt-hourly', refused));
    await estate.earlier(0.1, async () => flows.fail('client-arn-hourly', 'odd', ''));
    const { ticked, states, doubts, check } = await seen(estate);
    expect(ticked).toEqual(['code', 'code-rotating']);
    expect([states.get('jwt'), states.get('client-arn')]).toEqual(['failing', 'unproven']);
    expect(check).toMatch(
      /✗ flows .*\n +Salesforce refused the log-in at the last run \(6 min ago\), .*: jwt-hourly\.\n/,
    );
    expect(doubts('client-arn')).toContain('a flow failed for a reason that is not known here');
  });

  it('a flow that a person has suspended, or that failed for its data, is no fault; flows that nobody may list are a doubt', async () => {
    await using estate = await everyGrant();
    const { flows } = estate.world.aws.appflow;
    flows.create({
      flowName: 'jwt-hourly',
      connectorProfileName: 'jwt',
      triggerType: 'Scheduled',
      status: 'Suspended',
    });
    flows.fail('code-hourly', 'Details: INVALID_FIELD: No such column');
    expect(await seen(estate)).toMatchObject({ ticked: PROVABLE, codes: [0, 0] });
    estate.world.aws.access.deny([{ action: 'appflow:ListFlows' }]);
    const denied = await seen(estate);
    expect(denied).toMatchObject({ ticked: [], codes: [0, 0], stderr: expect.stringContaining('appflow:ListFlows') });
    expect(denied.doubts('jwt')).toContain('its flows could not be read');
  });
});
