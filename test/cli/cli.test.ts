import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { makeKeyAndCertificate } from '../../infra/cli/certificate.ts';
import { APP, CODE_APP, CODE_SECRET, PRIVATE_KEY, USER } from '../support/world.ts';
import { browse, directory, Estate, HOUR, PATIENCE, redirect } from './estate.ts';

const Problems = v.array(v.object({ code: v.string() }));

describe.concurrent('the command status', { timeout: PATIENCE }, () => {
  it('shows connections that are within their interval at a glance, and calls none of them healthy', async () => {
    await using estate = await Estate.open();
    const { certificate, privateKey } = await makeKeyAndCertificate('sf-one', 2048, 100);
    estate.jwt('sf-one', { privateKey: privateKey.reveal(), certificate });
    estate.jwt('sf-two', {}, { 'connector-profile-name': 'second', 'refresh-interval-seconds': '1800' });
    const { code, stdout } = await estate.run(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/· +sf-one +fresh +\d+ s +in (59|60) min +JWT_BEARER +in 99 d\n/);
    expect(stdout).toMatch(/· +sf-two +fresh +\d+ s +in 30 min +JWT_BEARER +second\n/);
    expect(stdout).toContain('2 connections: 2 fresh. Nothing was tried');
    expect(stdout).not.toContain('✓');
    for (const line of stdout.split('\n').slice(0, 3)) expect(line.length).toBeLessThanOrEqual(80);
    estate.logged('sf-two', 'refreshed');
    const why = await estate.run(['status', '--why']);
    expect(why).toMatchObject({ code: 1, stdout: expect.stringMatching(/✗ +sf-one +unhealthy /) });
    expect(why.stdout).toMatch(/✓ +sf-two +healthy /);
  });

  it('reports unhealthy connections with their problems, as text and as stable JSON', async () => {
    await using estate = await Estate.open();
    const { certificate, privateKey } = await makeKeyAndCertificate('x', 2048, 10);
    estate.jwt('ending', { privateKey: privateKey.reveal(), certificate });
    estate.jwt('twin-a', {}, { 'connector-profile-name': 'twin' });
    estate.jwt('twin-b', {}, { 'connector-profile-name': 'twin' });
    estate.secret('typo', { grantType: 'JWT_BEARER', clientid: 'x', username: USER, privateKey: PRIVATE_KEY });
    estate.secret('lonely', { grantType: 'JWT_BEARER', clientId: APP, username: USER, privateKey: PRIVATE_KEY });
    estate.profile('typo');
    estate.profile('nobodys');
    const { code, body } = await estate.json(['status']);
    expect(code).toBe(1);
    expect(body).toMatchObject({ ok: false, unservedProfiles: ['nobodys'] });
    const by = new Map<string, Record<string, unknown>>(
      body.connections.map((one: { connection: string }) => [one.connection, one]),
    );
    expect(by.get('ending')).toStrictEqual({
      connection: 'ending',
      connectorProfileName: 'ending',
      grantType: 'JWT_BEARER',
      handOver: 'JWT',
      intervalSeconds: 3600,
      updatedAt: expect.stringMatching(/^\d{4}-.*Z$/),
      ageSeconds: expect.any(Number),
      dueSince: null,
      nextAttempt: expect.stringMatching(/^\d{4}-.*Z$/),
      certificateEnd: expect.stringMatching(/^\d{4}-.*Z$/),
      state: 'fresh',
      overdue: false,
      problems: [],
      lastFailure: null,
      edited: null,
    });
    const codes = (name: string) => v.parse(Problems, by.get(name)?.['problems']).map((problem) => problem.code);
    expect(codes('twin-a')).toEqual([]);
    expect(codes('twin-b')).toEqual(['PROFILE_SHARED']);
    expect(codes('lonely')).toEqual(['PROFILE_NOT_FOUND']);
    expect(codes('typo')).toEqual(['SECRET_MALFORMED']);
    const { stdout } = await estate.run(['status']);
    expect(stdout).toMatch(/✗ +twin-b +unhealthy .* twin \(served by another\)/);
    expect(stdout).toMatch(/✗ +lonely +unhealthy .* lonely \(missing\)/);
    expect(stdout).toMatch(/· +ending .* in 9 d !/);
    expect(stdout).toContain('clientid is not a key that a connection has');
    expect(stdout).toContain('Salesforce profiles that no connection refreshes: nobodys');
    expect(stdout).toContain('5 connections: 2 fresh, 3 unhealthy.');
  });

  it('adds the verdict of a dry run with --why', async () => {
    await using estate = await Estate.open();
    estate.jwt('left', { username: 'left@example.com', handOver: 'ACCESS_TOKEN' });
    const { code, body } = await estate.json(['status', '--why']);
    expect(code).toBe(1);
    expect(body.connections[0]).toMatchObject({
      state: 'unhealthy',
      verdict: { outcome: 'failed', error: { code: 'SALESFORCE_REFUSED' } },
    });
    const { stdout } = await estate.run(['status', '--why']);
    expect(stdout).toMatch(/left: SALESFORCE_REFUSED: .*\n {2}→ Pre-authorise the integration user/);
  });

  it('omits the grant and says why when the value may not be read', async () => {
    await using estate = await Estate.open();
    estate.jwt('sf-one');
    estate.world.aws.access.deny([{ action: 'secretsmanager:GetSecretValue' }]);
    const { code, stdout } = await estate.run(['status']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/· +sf-one +fresh .* \?\n/);
    expect(stdout).toContain('grant unknown: ACCESS_DENIED: secretsmanager:GetSecretValue on');
  });
});

describe.concurrent('the command check', { timeout: PATIENCE }, () => {
  it('goes through every step and asks Salesforce about a JWT that AppFlow would exchange', async () => {
    await using estate = await Estate.open();
    estate.jwt('good');
    estate.jwt('not-uploaded', { clientId: 'app-without-certificate' });
    estate.world.salesforce.registerApp({ clientId: 'app-without-certificate', users: [USER] });
    await estate.code('code');
    const { code, stdout } = await estate.run(['check', 'good', 'not-uploaded', 'code']);
    expect(code).toBe(1);
    const [good = '', notUploaded = '', web = ''] = stdout.split(/^(?=[✓✗!?] )/m);
    expect(good).not.toContain('✗');
    expect(good).toMatch(/✓ salesforce +Salesforce accepts a JWT that is signed with its key/);
    expect(notUploaded).toMatch(/✓ grant/);
    expect(notUploaded).toMatch(
      /✗ salesforce +SALESFORCE_REFUSED: invalid_grant: invalid assertion\n +→ Check that the certificate/,
    );
    expect(web).toMatch(/✓ salesforce +Salesforce says that its refresh token is active/);
    expect(estate.world.salesforce.calls.map(({ operation }) => operation)).not.toContain('token:refresh_token');
    expect(estate.world.aws.calls.map(({ operation }) => operation)).not.toContain('UpdateConnectorProfile');
  });

  it('shows independent faults at once and adds them to the JSON report of refresh', async () => {
    await using estate = await Estate.open();
    estate.secret('two', { grantType: 'JWT_BEARER', username: USER, privateKey: PRIVATE_KEY });
    const { code, body } = await estate.json(['check', 'two']);
    expect(code).toBe(1);
    expect(body).toMatchObject({ ok: false, dryRun: true });
    const [one] = body.connections;
    expect(one).toMatchObject({
      connection: 'two',
      outcome: 'failed',
      error: { code: 'SECRET_MALFORMED', retryable: false },
    });
    const result = (step: string) => one.checks.find(({ check }: { check: string }) => check === step)?.result;
    expect(['secret', 'tags', 'value', 'profile', 'limits', 'grant', 'salesforce', 'refresh'].map(result)).toEqual([
      'ok',
      'ok',
      'failed',
      'failed',
      'not-reached',
      'not-reached',
      'not-reached',
      'failed',
    ]);
  });
});

describe.concurrent('the command refresh', { timeout: PATIENCE }, () => {
  it('refreshes the named connections or all, and reports like the function', async () => {
    await using estate = await Estate.open();
    estate.jwt('a');
    estate.jwt('b', { username: 'left@example.com', handOver: 'ACCESS_TOKEN' });
    await estate.code('c');
    const dry = await estate.json(['refresh', 'a', 'c', '--dry-run']);
    expect(dry.code).toBe(0);
    expect(dry.body).toMatchObject({
      ok: true,
      dryRun: true,
      connections: [{ outcome: 'would-refresh' }, { outcome: 'would-refresh' }],
    });
    expect(estate.world.aws.calls.map(({ operation }) => operation)).not.toContain('UpdateConnectorProfile');
    const all = await estate.json(['refresh', '--all']);
    expect(all.code).toBe(1);
    expect(all.body).toStrictEqual({
      ok: false,
      dryRun: false,
      connections: [
        {
          connection: 'a',
          connectorProfileName: 'a',
          grantType: 'JWT_BEARER',
          handOver: 'JWT',
          outcome: 'refreshed',
          validUntil: expect.any(String),
        },
        {
          connection: 'b',
          connectorProfileName: 'b',
          grantType: 'JWT_BEARER',
          handOver: 'ACCESS_TOKEN',
          outcome: 'failed',
          error: {
            code: 'SALESFORCE_REFUSED',
            retryable: false,
            message: expect.any(String),
            hint: expect.any(String),
          },
        },
        {
          connection: 'c',
          connectorProfileName: 'c',
          grantType: 'AUTHORIZATION_CODE',
          handOver: 'ACCESS_AND_REFRESH_TOKEN',
          outcome: 'refreshed',
          validUntil: expect.any(String),
        },
      ],
    });
    const named = await estate.run(['refresh', 'a']);
    expect(named.code).toBe(0);
    expect(named.stdout).toMatch(/^✓ a {2}refreshed, valid until \S+Z\n$/);
    // Once by what npx starts.
    expect((await estate.run(['refresh', 'nope'], { entry: 'bin.mjs' })).code).toBe(1);
  });

  it('finishes the refreshes under way after Ctrl-C', async () => {
    const asked = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await using estate = await Estate.open(async ({ operation }) => {
      if (operation !== 'UpdateConnectorProfile') return undefined;
      asked.resolve();
      await go.promise;
      return undefined;
    });
    for (const name of ['a', 'b', 'c', 'd', 'e', 'f', 'g']) estate.jwt(name);
    const { code, stdout, stderr } = await estate.run(['refresh', '--all'], {
      while: async (said, interrupt) => {
        await asked.promise;
        interrupt();
        // As npx does, which passes on what the terminal has told us already.
        await new Promise((resolve) => setTimeout(resolve, 20));
        interrupt();
        await said(/Finishing/);
        go.resolve();
      },
    });
    expect(code).toBe(130);
    expect(stdout.match(/refreshed/g)).toHaveLength(5);
    expect(stderr).toContain('2 of 7 connections were not begun');
  });

  it.each([
    // All was under way, so all was finished.
    ['SIGTERM', 0],
    ['SIGHUP', 0],
    ['SIGQUIT', 0],
    ['whoever reads its output has seen enough', 141],
  ])('loses no rotated token where %s comes while it is under way', async (end, exit) => {
    const rotated = Promise.withResolvers<void>();
    const ended = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    await using estate = await Estate.open(async ({ operation }, phase) => {
      // What it would print meanwhile finds the pipe closed.
      if (operation === 'UpdateConnectorProfile') await ended.promise;
      if (operation === 'token:refresh_token' && phase === 'after') {
        rotated.resolve();
        await go.promise;
      }
      return undefined;
    });
    estate.world.salesforce.setRotation(CODE_APP, true);
    estate.jwt('fast');
    await estate.code('rotating', { handOver: 'ACCESS_TOKEN' });
    const { code } = await estate.run(['refresh', 'rotating', 'fast'], {
      while: async (_said, kill, _type, stopReading) => {
        await rotated.promise;
        if (end.startsWith('SIG')) kill(end === 'SIGTERM' || end === 'SIGHUP' ? end : 'SIGQUIT');
        else stopReading();
        ended.resolve();
        await new Promise((resolve) => setTimeout(resolve, 300));
        go.resolve();
      },
    });
    expect(code).toBe(exit);
    // Not in progress, as where a run has died with its lease.
    expect((await estate.run(['refresh', 'rotating'])).stdout).toMatch(/^✓ rotating {2}refreshed/);
  });
});

describe.concurrent('the command add', { timeout: PATIENCE }, () => {
  it('sets up a JWT_BEARER connection from nothing to its first refresh', async () => {
    await using estate = await Estate.open();
    const args = ['add', 'sf-new', '--grant', 'JWT_BEARER', '--client-id', 'new-app', '--username', USER];
    args.push('--login-url', estate.world.salesforce.url, '--interval', '1800', '--profile', 'new-profile');
    const added = await estate.run(args);
    expect(added).toMatchObject({ code: 0, stderr: '' });
    expect(added.stdout).toContain('Enable JWT Bearer Flow, and upload sf-new.crt');
    expect(added.stdout).toContain('AppFlow has no connector profile new-profile yet');
    const file = await readFile(join(directory, 'sf-new.crt'), 'utf8');
    expect(file).not.toContain('PRIVATE');
    expect(new X509Certificate(file).validToDate.getTime() - Date.now()).toBeGreaterThan(364 * 24 * HOUR);
    expect(estate.read('sf-new')).toStrictEqual({
      connectorProfileName: 'new-profile',
      grantType: 'JWT_BEARER',
      loginUrl: estate.world.salesforce.url,
      clientId: 'new-app',
      username: USER,
      privateKey: expect.stringContaining('BEGIN PRIVATE KEY'),
      certificate: file,
    });
    expect(estate.world.aws.secrets.describe('appflow-token-refresher/sf-new')?.Tags).toEqual([
      { Key: 'connector-profile-name', Value: 'new-profile' },
      { Key: 'refresh-interval-seconds', Value: '1800' },
    ]);

    // What the administrators of AppFlow and Salesforce do next.
    estate.profile('new-profile');
    estate.world.salesforce.registerApp({ clientId: 'new-app', certificates: [file], users: [USER] });
    expect((await estate.run(['check', 'sf-new'])).code).toBe(0);
    const refreshed = await estate.json(['refresh', 'sf-new']);
    expect(refreshed.body).toMatchObject({ ok: true, connections: [{ connection: 'sf-new', outcome: 'refreshed' }] });
    expect(await estate.world.aws.appflow.useConnection('new-profile')).toMatchObject({ ok: true });

    const again = await estate.run(args);
    expect(again.code).toBe(2);
    expect(again.stderr).toContain('exists already, and nothing of it is overwritten');
    estate.world.aws.secrets.remove('appflow-token-refresher/sf-new');
    expect((await estate.run(args)).stderr).toContain('The file sf-new.crt exists already');
    expect(estate.world.aws.secrets.names()).not.toContain('appflow-token-refresher/sf-new');
    expect(await readFile(join(directory, 'sf-new.crt'), 'utf8')).toBe(file);
  });

  it('leaves nothing behind when the secret cannot be created', async () => {
    await using estate = await Estate.open();
    estate.world.aws.access.deny([{ action: 'secretsmanager:CreateSecret' }]);
    const args = [
      '--grant',
      'JWT_BEARER',
      '--client-id',
      'x',
      '--username',
      USER,
      '--login-url',
      estate.world.salesforce.url,
    ];
    const { code, stderr } = await estate.run(['add', 'denied', ...args]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/ACCESS_DENIED: secretsmanager:CreateSecret on .*\n.*for the credentials that you use here/);
    await expect(readFile(join(directory, 'denied.crt'))).rejects.toThrow('ENOENT');
  });

  it('refuses options that cannot work and names everything that is missing', async () => {
    await using estate = await Estate.open();
    estate.jwt('taken');
    const rival = await estate.run(['add', 'rival', '--profile', 'taken']);
    expect(rival).toMatchObject({ code: 2, stderr: expect.stringContaining('belongs to taken already') });
    const bare = await estate.run(['add', 'bare', '--grant', 'JWT_BEARER']);
    expect(bare).toMatchObject({ code: 2, stderr: expect.stringContaining('--username, --client-id are needed') });
    const args = ['--grant', 'JWT_BEARER', '--client-id', 'x', '--username', USER];
    const host = await estate.json(['add', 'host', ...args, '--login-url', 'https://example.com']);
    expect(host).toMatchObject({
      code: 1,
      body: { ok: false, error: { code: 'LOGIN_HOST_REFUSED', retryable: false } },
    });
    const rare = await estate.run(['add', 'rare', ...args, '--interval', '86401']);
    expect(rare).toMatchObject({ code: 2, stderr: expect.stringContaining('--interval is more than 86400 seconds') });
    await expect(readFile(join(directory, 'host.crt'))).rejects.toThrow('ENOENT');
  });

  it('creates AUTHORIZATION_CODE connections from a token on stdin, from a log-in, or for authorize to finish', async () => {
    await using estate = await Estate.open();
    for (const name of ['given', 'web', 'later']) estate.profile(name);
    const { refreshToken } = await estate.world.salesforce.issueRefreshToken(CODE_APP, USER);
    const args = [
      '--grant',
      'AUTHORIZATION_CODE',
      '--client-id',
      CODE_APP,
      '--login-url',
      estate.world.salesforce.url,
      '--client-secret-stdin',
    ];
    const given = await estate.json(
      ['add', 'given', ...args, '--refresh-token-stdin'],
      `${CODE_SECRET}\n${refreshToken}\n`,
    );
    expect(given).toMatchObject({ code: 0, body: { ok: true, profileExists: true, lacksSeed: false } });
    expect(estate.read('given')).toMatchObject({ clientSecret: CODE_SECRET, refreshToken });

    estate.world.salesforce.logIn(USER);
    const web = await estate.run(['add', 'web', ...args, '--user', USER, ...redirect()], {
      stdin: CODE_SECRET,
      while: async (said) =>
        expect(await browse(said)).toMatchObject({
          status: 200,
          text: expect.stringContaining('Salesforce has logged you in'),
        }),
    });
    expect(web.code).toBe(0);

    const later = await estate.run(['add', 'later', ...args, '--no-authorize'], { stdin: CODE_SECRET });
    expect(later).toMatchObject({ code: 0, stdout: expect.stringContaining('authorize later') });
    const authorized = await estate.run(['authorize', 'later', '--user', USER, ...redirect()], {
      while: async (said) => void (await browse(said)),
    });
    expect(authorized.code).toBe(0);
    expect(await estate.json(['refresh', '--all'])).toMatchObject({
      code: 0,
      body: { ok: true, connections: [{ outcome: 'refreshed' }, { outcome: 'refreshed' }, { outcome: 'refreshed' }] },
    });
  });

  it('creates CLIENT_CREDENTIALS connections', async () => {
    await using estate = await Estate.open();
    const arn = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:appflow-client-credentials/x-AbCdEf';
    const args = ['--grant', 'CLIENT_CREDENTIALS', '--client-credentials-arn', arn, '--hand-over', 'ACCESS_TOKEN'];
    const { code, body } = await estate.json(['add', 'client', ...args]);
    expect(code).toBe(0);
    expect(body).toStrictEqual({
      ok: true,
      connection: 'client',
      connectorProfileName: 'client',
      profileExists: false,
      secret: 'appflow-token-refresher/client',
      grantType: 'CLIENT_CREDENTIALS',
      user: null,
      certificateFile: null,
      certificateEnd: null,
      lacksSeed: false,
      steps: expect.any(Array),
      next: [
        'npx --no-install appflow-token-refresher check client',
        'npx --no-install appflow-token-refresher refresh client',
      ],
    });
    expect(estate.read('client')).toStrictEqual({
      connectorProfileName: 'client',
      grantType: 'CLIENT_CREDENTIALS',
      handOver: 'ACCESS_TOKEN',
      clientCredentialsArn: arn,
    });
  });
});

describe.concurrent('the command authorize', { timeout: PATIENCE }, () => {
  it('cures SALESFORCE_REFUSED by changing only the seed', async () => {
    await using estate = await Estate.open();
    const { authCode, redirectUri } = { authCode: 'spent', redirectUri: 'https://example.com/' };
    await estate.code('sf-eu', {
      refreshToken: undefined,
      oAuthRequest: { authCode, redirectUri },
      handOver: 'ACCESS_TOKEN',
    });
    const refused = await estate.run(['refresh', 'sf-eu']);
    expect(refused.code).toBe(1);
    expect(refused.stdout).toContain('npx --no-install appflow-token-refresher authorize sf-eu');

    estate.world.salesforce.logIn(USER);
    const { code, stdout } = await estate.run(['authorize', 'sf-eu', '--user', USER, ...redirect()], {
      while: async (said) => {
        const { url } = await browse(said);
        expect(url.searchParams.get('code_challenge_method')).toBe('S256');
        expect(url.searchParams.get('prompt')).toBe('login');
      },
    });
    expect(code).toBe(0);
    expect(stdout).toContain(`The new refresh token of ${USER} is stored in appflow-token-refresher/sf-eu.`);
    expect(estate.read('sf-eu')).toStrictEqual({
      loginUrl: estate.world.salesforce.url,
      grantType: 'AUTHORIZATION_CODE',
      clientId: CODE_APP,
      clientSecret: CODE_SECRET,
      handOver: 'ACCESS_TOKEN',
      refreshToken: expect.any(String),
    });
    expect((await estate.run(['refresh', 'sf-eu'])).code).toBe(0);
  });

  it('stores nothing after a log-in by somebody else, a refusal, a forged state or for another grant', async () => {
    await using estate = await Estate.open();
    const seed = await estate.code('sf-eu');
    estate.world.salesforce.logIn('other@example.com');
    const other = await estate.run(['authorize', 'sf-eu', '--user', 'someone@example.com', ...redirect()], {
      while: async (said) => expect((await browse(said)).status).toBe(400),
    });
    expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining('other@example.com logged in, not') });

    estate.world.salesforce.inactiveUser('other@example.com', true);
    estate.world.salesforce.inactiveUser(USER, true);
    const refused = await estate.run(['authorize', 'sf-eu', '--user', USER, ...redirect()], {
      while: async (said) => void (await browse(said)),
    });
    expect(refused).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('did not authorise the app: access_denied'),
    });

    estate.world.salesforce.inactiveUser(USER, false);
    estate.world.salesforce.logIn(USER);
    const forged = await estate.run(['authorize', 'sf-eu', '--user', USER, ...redirect().with(3, '1')], {
      while: async (said) => {
        const { status } = await browse(said, (url) => url.searchParams.set('state', 'forged'));
        expect(status).toBe(404);
      },
    });
    expect(forged).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('Nobody came back from Salesforce within 1 s'),
    });
    expect(estate.read('sf-eu')).toMatchObject({ refreshToken: seed });

    estate.jwt('sf-jwt');
    const jwt = await estate.run(['authorize', 'sf-jwt']);
    expect(jwt).toMatchObject({ code: 2, stderr: expect.stringContaining('it has no refresh token') });
  });
});

describe.concurrent('the exit code', { timeout: PATIENCE }, () => {
  it('is 2 for a mistake of the user', async () => {
    await using estate = await Estate.open();
    const of = async (...args: string[]) => (await estate.run(args)).code;
    expect(await of('stat')).toBe(2);
    expect(await of('refresh', 'a', '--all')).toBe(2);
    expect(await of('check', 'a b')).toBe(2);
    estate.env['TICK_SECONDS'] = 'x';
    expect(await estate.json(['status'])).toMatchObject({
      code: 2,
      body: { ok: false, error: { code: 'SETTINGS_INVALID' } },
    });
  });

  it('is 3 when AWS cannot be asked', async () => {
    await using estate = await Estate.open();
    estate.jwt('a');
    estate.world.aws.access.deny([{ action: 'secretsmanager:ListSecrets' }]);
    expect(await estate.json(['status'])).toMatchObject({ code: 3, body: { error: { code: 'ACCESS_DENIED' } } });
    expect(await estate.json(['refresh', 'a'])).toMatchObject({
      code: 3,
      body: { ok: false, connections: [{ outcome: 'failed', error: { code: 'ACCESS_DENIED' } }] },
    });
    Object.assign(estate.env, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_EC2_METADATA_DISABLED: 'true' });
    const { code, stderr } = await estate.run(['status']);
    expect(code).toBe(3);
    expect(stderr).toContain('no credentials were found');
  });
});
