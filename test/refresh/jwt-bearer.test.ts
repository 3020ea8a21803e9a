import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, importSPKI, jwtVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import type { Call } from '../../infra/local/wire/traffic.ts';
import { PRIVATE_KEY, PUBLIC_KEY, START, type TestWorld, testWorld, USER } from '../support/world.ts';

const code = async (world: TestWorld, name: string) => (await world.refresh([name])).connections[0]?.error?.code;
const updates = (world: TestWorld): Call[] =>
  world.aws.calls.filter(({ operation }) => operation === 'UpdateConnectorProfile');

describe('refresh of a JWT_BEARER connection', () => {
  it.each([
    ['after its public key', PUBLIC_KEY + PRIVATE_KEY],
    ['with each line in quotes and a backslash after it', PRIVATE_KEY.trimEnd().replace(/^.*$/gm, '"$&" \\')],
    ['indented', PRIVATE_KEY.replace(/^/gm, '    ')],
    ['in base64 of UTF-16', Buffer.from(PRIVATE_KEY, 'utf16le').toString('base64')],
  ])('signs with a key as people store it, in a secret with a byte order mark: %s', async (_, privateKey) => {
    const world = await testWorld();
    world.addJwt('sf-prod', { privateKey });
    const name = 'appflow-token-refresher/sf-prod';
    world.aws.secrets.put(name, `\ufeff${world.aws.secrets.read(name)}`);
    expect((await world.refresh(['sf-prod'])).connections[0]).toMatchObject({ outcome: 'refreshed' });
    expect(await world.aws.appflow.useConnection('sf-prod')).toMatchObject({ ok: true });
  });

  it('names a key of the secret that ends with a line break, before anything is sent', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { username: `${USER}\n`, handOver: 'ACCESS_TOKEN' });
    expect((await world.refresh(['sf-prod'])).connections[0]?.error).toMatchObject({
      code: 'SECRET_MALFORMED',
      message: 'username ends with a line break.',
      hint: expect.stringContaining('appflow-token-refresher/sf-prod'),
    });
    expect([...world.salesforce.calls, ...updates(world)]).toEqual([]);
  });

  it('hands over a JWT that AppFlow can exchange', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod');
    expect(await world.refresh(['sf-prod'])).toEqual({
      ok: true,
      dryRun: false,
      connections: [
        {
          connection: 'sf-prod',
          connectorProfileName: 'sf-prod',
          grantType: 'JWT_BEARER',
          handOver: 'JWT',
          outcome: 'refreshed',
          validUntil: '2026-11-24T07:00:00.000Z',
        },
      ],
    });
    expect(await world.aws.appflow.useConnection('sf-prod')).toMatchObject({ ok: true });
  });

  it('signs exactly iss, sub, aud and exp, as independent code verifies', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { lifetimeSeconds: 7200, audience: 'https://login.salesforce.com' });
    await world.refresh(['sf-prod']);
    const jwt = world.aws.appflow.credentials('sf-prod')?.jwtToken ?? '';
    const { payload, protectedHeader } = await jwtVerify(jwt, await importSPKI(PUBLIC_KEY, 'RS256'), {
      currentDate: START,
    });
    expect(payload).toEqual({
      iss: 'consumer-key',
      sub: USER,
      aud: 'https://login.salesforce.com',
      exp: START.getTime() / 1000 + 7200,
    });
    expect(protectedHeader).toEqual({ alg: 'RS256', typ: 'JWT' });
  });

  it('exchanges the JWT itself and hands over the access token when handOver is ACCESS_TOKEN', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { handOver: 'ACCESS_TOKEN' });
    const report = await world.refresh(['sf-prod']);
    expect(report.connections[0]).toMatchObject({ handOver: 'ACCESS_TOKEN', outcome: 'refreshed', validUntil: null });
    const held = world.aws.appflow.credentials('sf-prod');
    expect(held).toMatchObject({ oAuth2GrantType: 'AUTHORIZATION_CODE' });
    expect(held?.refreshToken).toBeUndefined();
    expect(world.salesforce.accessTokenIsLive(held?.accessToken ?? '')).toBe(true);
  });

  it('preserves the mode and every property of the profile', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod');
    const properties = {
      instanceUrl: 'https://acme--dev.sandbox.my.salesforce.com',
      isSandboxEnvironment: true,
      usePrivateLinkForMetadataAndAuthorization: true,
    };
    world.aws.appflow.putProfile({ name: 'sf-prod', connectionMode: 'Private', properties, createdAt: new Date(0) });
    const before = world.aws.appflow.profile('sf-prod');
    await world.refresh(['sf-prod']);
    const after = world.aws.appflow.profile('sf-prod');
    expect(after).toEqual({ ...before, lastUpdatedAt: START });
  });

  it('repeats a client token only within one run', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod');
    let failures = 2;
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'UpdateConnectorProfile' && failures-- > 0
        ? { status: 500, code: 'InternalServerException' }
        : undefined;
    await world.refresh(['sf-prod']);
    await world.refresh(['sf-prod']);
    const tokens = updates(world).map(({ input }) => (input as { clientToken: string }).clientToken);
    expect(tokens).toHaveLength(4);
    expect(new Set(tokens.slice(0, 3)).size).toBe(1);
    expect(tokens[3]).not.toBe(tokens[0]);
  });

  it.each([
    ['ConflictException', 409],
    ['ThrottlingException', 429],
    ['InternalServerException', 500],
  ])('retries the hand-over after %s', async (name, status) => {
    const world = await testWorld();
    world.addJwt('sf-prod');
    let failures = 3;
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'UpdateConnectorProfile' && failures-- > 0
        ? { status, code: name }
        : undefined;
    expect((await world.refresh(['sf-prod'])).ok).toBe(true);
    expect(updates(world)).toHaveLength(4);
  });

  it('reports APPFLOW_UNAVAILABLE as retryable after several attempts', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod');
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'UpdateConnectorProfile' ? 'drop' : undefined;
    const report = await world.refresh(['sf-prod']);
    expect(report.connections[0]?.error).toMatchObject({ code: 'APPFLOW_UNAVAILABLE', retryable: true });
    expect(updates(world).length).toBe(5);
  });

  it('gives up at once on a hand-over that AppFlow calls invalid', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod');
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'UpdateConnectorProfile'
        ? { status: 400, code: 'ValidationException', message: 'Value eyJhbGciOi at jwtToken' }
        : undefined;
    const report = await world.refresh(['sf-prod']);
    expect(report.connections[0]?.error).toMatchObject({ code: 'PROFILE_REJECTED', retryable: false });
    expect(JSON.stringify(report)).not.toContain('eyJ');
    expect(updates(world)).toHaveLength(1);
  });

  it('mints one new JWT when AppFlow cannot log in, and then gives up', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { username: 'nobody@example.com' });
    const report = await world.refresh(['sf-prod']);
    expect(report.connections[0]?.error).toMatchObject({ code: 'PROFILE_REJECTED', retryable: false });
    // Under one client token AppFlow would repeat its answer instead of trying again.
    const tokens = updates(world).map(({ input }) => (input as { clientToken: string }).clientToken);
    expect(new Set(tokens).size).toBe(2);
  });

  it('uses the next key only once Salesforce accepts it', async () => {
    const world = await testWorld();
    const next = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const nextPublicKey = next.publicKey.export({ type: 'spki', format: 'pem' }).toString();
    world.addJwt('sf-prod', { nextPrivateKey: next.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() });
    const signedBy = async (publicKey: string) =>
      jwtVerify(world.aws.appflow.credentials('sf-prod')?.jwtToken ?? '', await importSPKI(publicKey, 'RS256'), {
        currentDate: START,
      }).then(
        () => true,
        () => false,
      );
    expect((await world.refresh(['sf-prod'])).ok).toBe(true);
    expect(await signedBy(PUBLIC_KEY)).toBe(true);
    world.salesforce.registerApp({
      clientId: 'consumer-key',
      certificates: [PUBLIC_KEY, nextPublicKey],
      users: [USER],
    });
    expect((await world.refresh(['sf-prod'])).ok).toBe(true);
    expect(await signedBy(nextPublicKey)).toBe(true);
  });

  it('signs with a key that never leaves KMS', async () => {
    const world = await testWorld();
    const keyId = await world.addKey();
    world.addJwt('sf-prod', { privateKey: undefined, kmsKeyId: keyId });
    expect((await world.refresh(['sf-prod'])).connections[0]).toMatchObject({ outcome: 'refreshed' });
    expect(await world.aws.appflow.useConnection('sf-prod')).toMatchObject({ ok: true });
  });

  it('reports KEY_UNUSABLE for a disabled KMS key and KMS_UNAVAILABLE for a failing KMS', async () => {
    const world = await testWorld();
    const keyId = await world.addKey();
    world.addJwt('sf-prod', { privateKey: undefined, kmsKeyId: keyId });
    world.aws.kms.setState(keyId, 'Disabled');
    expect(await code(world, 'sf-prod')).toBe('KEY_UNUSABLE');
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'Sign' ? { status: 500, code: 'KMSInternalException' } : undefined;
    expect(await code(world, 'sf-prod')).toBe('KMS_UNAVAILABLE');
  });

  it('signs again by the clock of Salesforce when the assertion has expired on arrival', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { handOver: 'ACCESS_TOKEN' });
    world.salesforce.setClockSkew(600);
    expect((await world.refresh(['sf-prod'])).connections[0]).toMatchObject({ outcome: 'refreshed' });
    const assertions = world.salesforce.calls
      .filter(({ operation }) => operation === 'token:jwt-bearer')
      .map(({ input }) => decodeJwt((input as { assertion: string }).assertion).exp);
    expect(assertions).toEqual([START.getTime() / 1000 + 180, START.getTime() / 1000 + 780]);
  });

  it('corrects its clock by ten minutes at most, whatever clock it is answered with', async () => {
    for (const skew of [601, 86_400, -86_400]) {
      const world = await testWorld();
      const now = START.getTime() / 1000;
      world.addJwt('sf-prod', { handOver: 'ACCESS_TOKEN' });
      world.salesforce.setClockSkew(skew);
      await world.refresh(['sf-prod']);
      const ends = world.salesforce.calls
        .filter(({ operation }) => operation === 'token:jwt-bearer')
        .map(({ input }) => (decodeJwt((input as { assertion: string }).assertion).exp ?? 0) - now);
      expect(ends[0]).toBe(180);
      for (const end of ends) expect(end).toBeLessThanOrEqual(180 + 600);
      expect(ends.length).toBeLessThanOrEqual(2);
    }
  });

  it('refuses a JWT that lives for less than two intervals', async () => {
    const world = await testWorld();
    world.addJwt('short', { lifetimeSeconds: 7199 });
    world.addJwt('slow', {}, { 'refresh-interval-seconds': '7201' });
    const report = await world.refresh(['short', 'slow']);
    expect(report.connections.map(({ error }) => error?.code)).toEqual(['LIFETIME_TOO_SHORT', 'LIFETIME_TOO_SHORT']);
    expect(updates(world)).toHaveLength(0);
  });

  it('checks the JWT against the limits of AppFlow before it sends it', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { username: 'x'.repeat(9000) });
    const error = (await world.refresh(['sf-prod'])).connections[0]?.error;
    expect(error).toMatchObject({ code: 'CONSTRAINT_VIOLATED', retryable: false });
    expect(error?.message).toMatch(/^jwtToken has \d+ characters, AppFlow takes at most 8000\.$/);
    expect(updates(world)).toHaveLength(0);
  });

  it('waits while Salesforce is busy, and reports a retryable error when it stays busy', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { handOver: 'ACCESS_TOKEN' });
    let failures = 2;
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'token:jwt-bearer' && failures-- > 0
        ? { status: 503, code: 'ServiceUnavailable' }
        : undefined;
    expect((await world.refresh(['sf-prod'])).ok).toBe(true);
    failures = 100;
    expect((await world.refresh(['sf-prod'])).connections[0]?.error).toMatchObject({
      code: 'SALESFORCE_UNAVAILABLE',
      retryable: true,
    });
  });

  it('reports SALESFORCE_REPLY_UNREADABLE for a page that is not an OAuth answer', async () => {
    const world = await testWorld();
    world.addJwt('sf-prod', { handOver: 'ACCESS_TOKEN' });
    world.fault = (call, phase) =>
      phase === 'before' && call.operation === 'token:jwt-bearer' ? { status: 404, code: 'html' } : undefined;
    expect((await world.refresh(['sf-prod'])).connections[0]?.error).toMatchObject({
      code: 'SALESFORCE_REPLY_UNREADABLE',
      retryable: true,
    });
  });
});
