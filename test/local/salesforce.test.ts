import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { request } from 'node:http';
import 'reflect-metadata';
import { X509CertificateGenerator } from '@peculiar/x509';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LocalSalesforce, startSalesforce } from '../../infra/local/salesforce/salesforce.ts';
import type { Call, Fault, Intercept } from '../../infra/local/wire/traffic.ts';

const CLIENT_ID = '3MVG9.app_one';
const CLIENT_SECRET = 'top secret:+1&';
const USER = 'integration@example.com';
const REDIRECT_URI = 'http://127.0.0.1:8123/callback';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const START = Date.parse('2026-11-24T09:00:00.000Z');

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherKeys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();

let nowMs = START;
let intercept: Intercept | undefined;
let salesforce: LocalSalesforce;

const options = {
  now: () => new Date(nowMs),
  intercept: (call: Call, phase: 'before' | 'after') => intercept?.(call, phase),
};

beforeEach(async () => {
  nowMs = START;
  intercept = undefined;
  salesforce = await startSalesforce(options);
  salesforce.registerApp({
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    certificates: [pem(keys.publicKey)],
    users: [USER],
    rotation: true,
    clientCredentialsUser: USER,
  });
});

afterEach(async () => {
  await salesforce.close();
});

interface Answer {
  status: number;
  body: Record<string, unknown>;
}

async function post(endpoint: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  const response = await fetch(`${salesforce.url}/services/oauth2/${endpoint}`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(form),
  });
  return answerOf(response);
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const json = response.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: response.status, body: json ? JSON.parse(text) : { text } };
}

function base64url(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function assertion(claims: Record<string, unknown> = {}, key = keys.privateKey, header: object = { alg: 'RS256' }) {
  const all = { iss: CLIENT_ID, sub: USER, aud: 'https://login.salesforce.com', exp: nowMs / 1000 + 180, ...claims };
  const content = `${base64url(header)}.${base64url(all)}`;
  return `${content}.${sign('sha256', Buffer.from(content), key).toString('base64url')}`;
}

const exchangeJwt = (jwt: string) => post('token', { grant_type: JWT_BEARER, assertion: jwt });

const refresh = (refreshToken: string, extra: Record<string, string> = {}) =>
  post('token', { grant_type: 'refresh_token', client_id: CLIENT_ID, refresh_token: refreshToken, ...extra });

const redeem = (code: string, extra: Record<string, string> = {}) =>
  post('token', {
    grant_type: 'authorization_code',
    client_id: CLIENT_ID,
    client_secret: CLIENT_SECRET,
    redirect_uri: REDIRECT_URI,
    code,
    ...extra,
  });

const introspect = (token: string) => post('introspect', { client_id: CLIENT_ID, client_secret: CLIENT_SECRET, token });

async function userinfo(accessToken: string): Promise<Answer> {
  const headers = { authorization: `Bearer ${accessToken}` };
  return answerOf(await fetch(`${salesforce.url}/services/oauth2/userinfo`, { headers }));
}

function refusal(error: string, description: string): Answer {
  return { status: 400, body: { error, error_description: description } };
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new Error(`not a string: ${typeof value}`);
  return value;
}

function gate(): { promise: Promise<void>; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { promise, open: () => resolve() };
}

const DEAD_TOKEN = refusal('invalid_grant', 'expired access/refresh token');
const PROCESSING = refusal('invalid_grant', 'token request is already being processed');
const BAD_ASSERTION = refusal('invalid_grant', 'invalid assertion');
const BAD_SECRET = refusal('invalid_client', 'invalid client credentials');

describe('the JWT bearer grant', () => {
  test('answers with an access token in the shape of Salesforce, without expires_in or refresh token', async () => {
    const { status, body } = await exchangeJwt(assertion());
    expect(status).toBe(200);
    expect(Object.keys(body).sort()).toEqual(
      ['access_token', 'id', 'instance_url', 'issued_at', 'scope', 'signature', 'token_type'].sort(),
    );
    expect(body['access_token']).toMatch(/^00D[\w]{12}![\w.]{80,}$/);
    expect(body).toMatchObject({ token_type: 'Bearer', instance_url: salesforce.url, issued_at: String(START) });
    const signed = createHmac('sha256', CLIENT_SECRET).update(`${body['id']}${body['issued_at']}`).digest('base64');
    expect(body['signature']).toBe(signed);
    expect((await userinfo(textOf(body['access_token']))).body).toMatchObject({ preferred_username: USER });
  });

  test.each(['https://login.salesforce.com', 'https://test.salesforce.com'])('takes the audience %s', async (aud) => {
    expect((await exchangeJwt(assertion({ aud }))).status).toBe(200);
  });

  test('takes its own URL as the audience, and no other', async () => {
    expect((await exchangeJwt(assertion({ aud: salesforce.url }))).status).toBe(200);
    const refused = refusal('invalid_grant', 'audience is invalid');
    expect(await exchangeJwt(assertion({ aud: 'https://example.com' }))).toEqual(refused);
    expect(await exchangeJwt(assertion({ aud: `${salesforce.url}/` }))).toEqual(refused);
  });

  test.each([
    ['no JWT', () => 'nonsense'],
    ['a JWT signed by a key that the app does not know', () => assertion({}, otherKeys.privateKey)],
    ['a JWT whose claims were changed', () => assertion().replace(/\.[^.]+\./, `.${base64url({ iss: CLIENT_ID })}.`)],
    ['another algorithm', () => assertion({}, keys.privateKey, { alg: 'RS512' })],
    ['an unsigned JWT', () => `${base64url({ alg: 'none' })}.${assertion().split('.')[1]}.`],
    ['a JWT without an end', () => assertion({ exp: undefined })],
    ['a JWT whose end is no number', () => assertion({ exp: String(START / 1000 + 180) })],
    ['a JWT without a subject', () => assertion({ sub: undefined })],
  ])('refuses %s as an invalid assertion', async (_name, jwt) => {
    expect(await exchangeJwt(jwt())).toEqual(BAD_ASSERTION);
  });

  test('refuses an HMAC made with the public key', async () => {
    const content = assertion({}, keys.privateKey, { alg: 'HS256' }).split('.').slice(0, 2).join('.');
    const mac = createHmac('sha256', pem(keys.publicKey)).update(content).digest('base64url');
    expect(await exchangeJwt(`${content}.${mac}`)).toEqual(BAD_ASSERTION);
  });

  test('refuses an assertion that has ended by the clock of the server', async () => {
    const expired = refusal('invalid_grant', 'expired authorization code');
    expect(await exchangeJwt(assertion({ exp: nowMs / 1000 }))).toEqual(expired);
    salesforce.setClockSkew(600);
    expect(await exchangeJwt(assertion())).toEqual(expired);
    expect((await exchangeJwt(assertion({ exp: nowMs / 1000 + 780 }))).status).toBe(200);
  });

  test('takes an end in milliseconds, as Salesforce does', async () => {
    expect((await exchangeJwt(assertion({ exp: nowMs + 180_000 }))).status).toBe(200);
  });

  test('refuses an unknown app, a person who has not approved and a person who is inactive', async () => {
    expect(await exchangeJwt(assertion({ iss: 'nobody' }))).toEqual(
      refusal('invalid_client_id', 'client identifier invalid'),
    );
    expect(await exchangeJwt(assertion({ sub: 'other@example.com' }))).toEqual(
      refusal('invalid_grant', "user hasn't approved this consumer"),
    );
    salesforce.inactiveUser(USER, true);
    expect(await exchangeJwt(assertion())).toEqual(refusal('inactive_user', 'user is inactive'));
    salesforce.inactiveUser(USER, false);
    expect((await exchangeJwt(assertion())).status).toBe(200);
  });

  test('accepts a jti once, and an assertion without one as often as it is sent', async () => {
    expect((await exchangeJwt(assertion({ jti: 'one' }))).status).toBe(200);
    expect(await exchangeJwt(assertion({ jti: 'one' }))).toEqual(BAD_ASSERTION);
    const plain = assertion();
    expect((await exchangeJwt(plain)).status).toBe(200);
    expect((await exchangeJwt(plain)).status).toBe(200);
  });

  test('accepts a new key as soon as its certificate is added', async () => {
    const jwt = assertion({}, otherKeys.privateKey);
    expect(await exchangeJwt(jwt)).toEqual(BAD_ASSERTION);
    const certificates = [pem(keys.publicKey), pem(otherKeys.publicKey)];
    salesforce.registerApp({ clientId: CLIENT_ID, certificates, users: [USER] });
    expect((await exchangeJwt(jwt)).status).toBe(200);
  });

  test('takes an X.509 certificate until it ends', async () => {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' };
    const privateKey = keys.privateKey.toCryptoKey(algorithm, true, ['sign']);
    const certificate = await X509CertificateGenerator.createSelfSigned({
      notBefore: new Date(START - 60_000),
      notAfter: new Date(START + 3_600_000),
      signingAlgorithm: algorithm,
      keys: { privateKey, publicKey: keys.publicKey.toCryptoKey(algorithm, true, ['verify']) },
    });
    salesforce.registerApp({ clientId: CLIENT_ID, certificates: [certificate.toString('pem')], users: [USER] });
    expect((await exchangeJwt(assertion())).status).toBe(200);
    nowMs += 3_600_000;
    expect(await exchangeJwt(assertion())).toEqual(BAD_ASSERTION);
  });
});

describe('the refresh token grant without rotation', () => {
  beforeEach(() => salesforce.setRotation(CLIENT_ID, false));

  test('gives a new access token for the same refresh token again and again', async () => {
    const issued = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const first = await refresh(issued.refreshToken);
    const second = await refresh(issued.refreshToken);
    expect([first.status, second.status]).toEqual([200, 200]);
    expect(first.body).not.toHaveProperty('refresh_token');
    expect(first.body).not.toHaveProperty('expires_in');
    expect(first.body['access_token']).not.toBe(second.body['access_token']);
    expect(salesforce.accessTokenIsLive(issued.accessToken)).toBe(true);
    expect(salesforce.family(issued.refreshToken)).toEqual({
      alive: true,
      liveRefreshToken: issued.refreshToken,
      exchanges: 2,
      reuseDetected: false,
    });
    expect(salesforce.spentTokenUses).toBe(0);
  });

  test('rotates from the moment that rotation is switched on', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    await refresh(refreshToken);
    salesforce.setRotation(CLIENT_ID, true);
    const { body } = await refresh(refreshToken);
    expect(body['refresh_token']).toMatch(/^5Aep861[\w.]+$/);
    expect(body['refresh_token']).not.toBe(refreshToken);
    expect(salesforce.family(refreshToken)?.liveRefreshToken).toBe(body['refresh_token']);
  });
});

describe('the refresh token grant with rotation', () => {
  test('follows the chain of tokens, each of which names the family', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const second = textOf((await refresh(refreshToken)).body['refresh_token']);
    const third = textOf((await refresh(second)).body['refresh_token']);
    const family = { alive: true, liveRefreshToken: third, exchanges: 2, reuseDetected: false };
    for (const token of [refreshToken, second, third]) expect(salesforce.family(token)).toEqual(family);
    expect(salesforce.spentTokenUses).toBe(0);
  });

  test('kills the whole family, access tokens too, when a token comes a second time', async () => {
    const issued = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const unrelated = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const { body } = await refresh(issued.refreshToken);
    const [accessToken, next] = [textOf(body['access_token']), textOf(body['refresh_token'])];
    expect((await userinfo(accessToken)).status).toBe(200);

    expect(await refresh(issued.refreshToken)).toEqual(DEAD_TOKEN);

    expect(await refresh(next)).toEqual(DEAD_TOKEN);
    expect(await userinfo(accessToken)).toEqual({ status: 403, body: { text: 'Bad_OAuth_Token' } });
    expect(salesforce.accessTokenIsLive(issued.accessToken)).toBe(false);
    expect(salesforce.family(next)).toEqual({
      alive: false,
      liveRefreshToken: undefined,
      exchanges: 1,
      reuseDetected: true,
    });
    expect(salesforce.spentTokenUses).toBe(1);
    expect(salesforce.family(unrelated.refreshToken)?.alive).toBe(true);
    expect(salesforce.accessTokenIsLive(unrelated.accessToken)).toBe(true);
  });

  test('goes on with a family after the app was registered anew', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    salesforce.registerApp({ clientId: CLIENT_ID, rotation: true });
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test('refuses an unknown token, the token of another app and an unknown app', async () => {
    salesforce.registerApp({ clientId: 'other' });
    const { refreshToken } = await salesforce.issueRefreshToken('other', USER);
    expect(await refresh('5Aep861unknown')).toEqual(DEAD_TOKEN);
    expect(await refresh(refreshToken)).toEqual(DEAD_TOKEN);
    expect(salesforce.family(refreshToken)?.alive).toBe(true);
    expect(await refresh(refreshToken, { client_id: 'nobody' })).toEqual(
      refusal('invalid_client_id', 'client identifier invalid'),
    );
  });

  test('refuses a wrong secret without spending the token', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    expect(await refresh(refreshToken, { client_secret: 'wrong' })).toEqual(BAD_SECRET);
    expect((await refresh(refreshToken, { client_secret: CLIENT_SECRET })).status).toBe(200);
    expect(salesforce.spentTokenUses).toBe(0);
  });

  test('refuses a person who is inactive, without spending the token', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    salesforce.inactiveUser(USER, true);
    expect(await refresh(refreshToken)).toEqual(refusal('inactive_user', 'user is inactive'));
    salesforce.inactiveUser(USER, false);
    expect((await refresh(refreshToken)).status).toBe(200);
  });

  test('refuses the second of two requests that overlap, and leaves the family alive', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const [arrived, released] = [gate(), gate()];
    intercept = async (call, phase) => {
      if (phase === 'before' && salesforce.calls.length === 1) {
        expect(call.operation).toBe('token:refresh_token');
        arrived.open();
        await released.promise;
      }
      return undefined;
    };
    const first = refresh(refreshToken);
    await arrived.promise;
    expect(await refresh(refreshToken)).toEqual(PROCESSING);
    released.open();
    expect((await first).status).toBe(200);
    expect(salesforce.family(refreshToken)).toMatchObject({ alive: true, exchanges: 1, reuseDetected: false });
    expect(salesforce.spentTokenUses).toBe(0);
  });

  test('dies with the administrator who revokes, and that is no reuse', async () => {
    const issued = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const other = await salesforce.issueRefreshToken(CLIENT_ID, 'other@example.com');
    const { body } = await refresh(issued.refreshToken);
    await salesforce.revoke(CLIENT_ID, USER);
    expect(await refresh(textOf(body['refresh_token']))).toEqual(DEAD_TOKEN);
    expect(await refresh(issued.refreshToken)).toEqual(DEAD_TOKEN);
    expect(salesforce.accessTokenIsLive(textOf(body['access_token']))).toBe(false);
    expect(salesforce.family(issued.refreshToken)).toMatchObject({ alive: false, reuseDetected: false });
    expect(salesforce.family(other.refreshToken)?.alive).toBe(true);
  });
});

describe('the authorization code grant', () => {
  test('gives an access token and a refresh token, once', async () => {
    const code = await salesforce.issueAuthCode(CLIENT_ID, USER, REDIRECT_URI);
    const { status, body } = await redeem(code);
    expect(status).toBe(200);
    expect((await userinfo(textOf(body['access_token']))).body).toMatchObject({ preferred_username: USER });
    expect(salesforce.family(textOf(body['refresh_token']))).toMatchObject({ alive: true, exchanges: 0 });
    expect(await redeem(code)).toEqual(refusal('invalid_grant', 'expired authorization code'));
  });

  test('refuses a code after ten minutes, an unknown one and one for another redirect URI', async () => {
    const code = await salesforce.issueAuthCode(CLIENT_ID, USER, REDIRECT_URI);
    expect(await redeem(code, { redirect_uri: `${REDIRECT_URI}/` })).toEqual(
      refusal('redirect_uri_mismatch', 'redirect_uri must match configuration'),
    );
    expect(await redeem('aPrxunknown==')).toEqual(refusal('invalid_grant', 'invalid authorization code'));
    nowMs += 599_999;
    expect((await redeem(code)).status).toBe(200);
    const late = await salesforce.issueAuthCode(CLIENT_ID, USER, REDIRECT_URI);
    nowMs += 600_000;
    expect(await redeem(late)).toEqual(refusal('invalid_grant', 'expired authorization code'));
  });

  test('wants the secret of an app that has one', async () => {
    const code = await salesforce.issueAuthCode(CLIENT_ID, USER, REDIRECT_URI);
    expect(await redeem(code, { client_secret: 'wrong' })).toEqual(BAD_SECRET);
    expect((await redeem(code)).status).toBe(200);
  });
});

describe('the login page', () => {
  const verifier = 'v'.repeat(43);
  const challenge = createHash('sha256').update(verifier).digest('base64url');

  async function authorize(query: Record<string, string>): Promise<Response> {
    const all = { response_type: 'code', client_id: CLIENT_ID, redirect_uri: REDIRECT_URI, state: 'st&te', ...query };
    const url = `${salesforce.url}/services/oauth2/authorize?${new URLSearchParams(all)}`;
    return fetch(url, { redirect: 'manual' });
  }

  async function redirectOf(query: Record<string, string>): Promise<URLSearchParams> {
    const response = await authorize(query);
    expect(response.status).toBe(302);
    const location = new URL(textOf(response.headers.get('location')));
    expect(`${location.origin}${location.pathname}`).toBe(REDIRECT_URI);
    return location.searchParams;
  }

  test('sends the person back with a code, which only the holder of the PKCE verifier can redeem', async () => {
    const answer = await redirectOf({ login_hint: USER, code_challenge: challenge, code_challenge_method: 'S256' });
    expect(answer.get('state')).toBe('st&te');
    const code = textOf(answer.get('code'));
    const refused = refusal('invalid_grant', 'invalid code verifier');
    expect(await redeem(code)).toEqual(refused);
    expect(await redeem(code, { code_verifier: 'w'.repeat(43) })).toEqual(refused);
    expect(await redeem(code, { code_verifier: 'short' })).toEqual(refused);
    expect((await redeem(code, { code_verifier: verifier })).status).toBe(200);
  });

  test('offers the people who may log in where it does not know who is there, and approves who is logged in', async () => {
    const response = await authorize({});
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    const link = /href="([^"]+)"/.exec(await response.text())?.[1]?.replaceAll('&#38;', '&');
    const chosen = await fetch(new URL(textOf(link), `${salesforce.url}/services/oauth2/authorize`), {
      redirect: 'manual',
    });
    expect(chosen.headers.get('location')).toContain('code=aPrx');
    salesforce.logIn('admin@example.com');
    const { body } = await redeem(textOf((await redirectOf({})).get('code')));
    expect((await userinfo(textOf(body['access_token']))).body).toMatchObject({
      preferred_username: 'admin@example.com',
    });
  });

  test('sends nobody to a redirect URI that is not on loopback', async () => {
    const foreign = 'https://example.com/callback';
    expect(await answerOf(await authorize({ redirect_uri: foreign, login_hint: USER }))).toEqual(
      refusal('redirect_uri_mismatch', 'redirect_uri must match configuration'),
    );
    expect(await answerOf(await authorize({ client_id: 'nobody' }))).toEqual(
      refusal('invalid_client_id', 'client identifier invalid'),
    );
  });

  test('sends refusals back to the app', async () => {
    expect((await redirectOf({ response_type: 'token' })).get('error')).toBe('unsupported_response_type');
    const plain = await redirectOf({ login_hint: USER, code_challenge: verifier, code_challenge_method: 'plain' });
    expect(plain.get('error')).toBe('invalid_request');
    salesforce.inactiveUser(USER, true);
    expect((await redirectOf({ login_hint: USER })).get('error')).toBe('access_denied');
  });
});

describe('the client credentials grant', () => {
  const grant = { grant_type: 'client_credentials' };
  const ask = (secret: string) => post('token', { ...grant, client_id: CLIENT_ID, client_secret: secret });

  test('gives an access token of the run-as user', async () => {
    const { status, body } = await ask(CLIENT_SECRET);
    expect(status).toBe(200);
    expect(body).not.toHaveProperty('refresh_token');
    expect((await userinfo(textOf(body['access_token']))).body).toMatchObject({ preferred_username: USER });
  });

  test('refuses a wrong or missing secret, an app without one and an app without a run-as user', async () => {
    expect(await ask('wrong')).toEqual(BAD_SECRET);
    expect(await post('token', { ...grant, client_id: CLIENT_ID })).toEqual(BAD_SECRET);
    salesforce.registerApp({ clientId: CLIENT_ID, clientCredentialsUser: USER });
    expect(await post('token', { ...grant, client_id: CLIENT_ID })).toEqual(BAD_SECRET);
    salesforce.registerApp({ clientId: CLIENT_ID, clientSecret: CLIENT_SECRET });
    expect(await ask(CLIENT_SECRET)).toEqual(refusal('invalid_grant', 'no client credentials user enabled'));
  });
});

describe('access tokens', () => {
  test('live for the session timeout by the clock of the server', async () => {
    const { accessToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    nowMs += 7_199_999;
    expect(salesforce.accessTokenIsLive(accessToken)).toBe(true);
    nowMs += 1;
    expect(salesforce.accessTokenIsLive(accessToken)).toBe(false);
    expect((await userinfo(accessToken)).status).toBe(403);
  });

  test('are told apart from none and from nonsense by userinfo', async () => {
    const bare = await fetch(`${salesforce.url}/services/oauth2/userinfo`, { method: 'POST' });
    expect(await answerOf(bare)).toEqual({ status: 403, body: { text: 'Missing_OAuth_Token' } });
    expect(await userinfo('nonsense')).toEqual({ status: 403, body: { text: 'Bad_OAuth_Token' } });
  });

  test('are introspected with their end, in seconds, until they end', async () => {
    const { accessToken, refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    expect((await introspect(accessToken)).body).toMatchObject({
      active: true,
      client_id: CLIENT_ID,
      username: USER,
      sub: expect.stringMatching(/\/id\/00D\w{15}\/005\w{15}$/),
      token_type: 'access_token',
      iat: START / 1000,
      exp: START / 1000 + 7200,
    });
    expect((await introspect(refreshToken)).body).toMatchObject({ active: true, token_type: 'refresh_token' });
    nowMs += 7_200_000;
    expect(await introspect(accessToken)).toEqual({ status: 200, body: { active: false } });
  });

  test('are introspected only by their own app, with its secret', async () => {
    const { accessToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    expect(await post('introspect', { client_id: CLIENT_ID, token: accessToken })).toEqual(BAD_SECRET);
    expect(await post('introspect', { client_id: CLIENT_ID, client_secret: 'x', token: accessToken })).toEqual(
      BAD_SECRET,
    );
    salesforce.registerApp({ clientId: 'other', clientSecret: 'o' });
    const other = await post('introspect', { client_id: 'other', client_secret: 'o', token: accessToken });
    expect(other).toEqual({ status: 200, body: { active: false } });
    expect(await introspect('nonsense')).toEqual({ status: 200, body: { active: false } });
  });

  test('are revoked alone, and with their family by its refresh token', async () => {
    const { accessToken, refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    expect((await post('revoke', { token: accessToken })).status).toBe(200);
    expect(salesforce.accessTokenIsLive(accessToken)).toBe(false);
    const { body } = await refresh(refreshToken);
    expect((await post('revoke', { token: textOf(body['refresh_token']) })).status).toBe(200);
    expect(salesforce.accessTokenIsLive(textOf(body['access_token']))).toBe(false);
    expect(salesforce.family(refreshToken)).toMatchObject({ alive: false, reuseDetected: false });
    expect(await post('revoke', { token: 'nonsense' })).toMatchObject({
      status: 400,
      body: { error: 'invalid_token' },
    });
  });
});

describe('approvals', () => {
  const issue = (username = USER, clientId = CLIENT_ID) => salesforce.issueRefreshToken(clientId, username);
  const lives = (refreshToken: string) => salesforce.family(refreshToken)?.alive;

  test('are five of one user and one app: the sixth revokes the oldest, and nobody is told', async () => {
    const families = [];
    for (let n = 0; n < 5; n++) families.push(await issue());
    expect(families.map(({ refreshToken }) => lives(refreshToken))).toEqual([true, true, true, true, true]);
    const [oldest] = families;
    if (oldest === undefined) throw new Error('There is none.');
    const sixth = await redeem(await salesforce.issueAuthCode(CLIENT_ID, USER, REDIRECT_URI));
    expect(sixth.status).toBe(200);
    expect(families.map(({ refreshToken }) => lives(refreshToken))).toEqual([false, true, true, true, true]);
    expect(await refresh(oldest.refreshToken)).toEqual(refusal('invalid_grant', 'expired access/refresh token'));
    expect(salesforce.accessTokenIsLive(oldest.accessToken)).toBe(false);
    expect(lives(textOf(sixth.body['refresh_token']))).toBe(true);
  });

  test('are counted once however often a token is rotated or used', async () => {
    const { refreshToken } = await issue();
    let current = refreshToken;
    for (let n = 0; n < 8; n++) current = textOf((await refresh(current)).body['refresh_token']);
    for (let n = 0; n < 4; n++) await issue();
    expect(lives(refreshToken)).toBe(true);
    await issue();
    expect(lives(refreshToken)).toBe(false);
  });

  test('that are revoked make room', async () => {
    const first = await issue();
    const revoked = await issue();
    for (let n = 0; n < 3; n++) await issue();
    await post('revoke', { token: revoked.refreshToken });
    await issue();
    expect(lives(first.refreshToken)).toBe(true);
  });

  test('of another user, another app and of grants without a refresh token do not count', async () => {
    salesforce.registerApp({ clientId: 'other', users: [USER], certificates: [pem(keys.publicKey)] });
    const first = await issue();
    for (let n = 0; n < 6; n++) {
      await issue('other@example.com');
      await issue(USER, 'other');
      await exchangeJwt(assertion());
    }
    expect(lives(first.refreshToken)).toBe(true);
  });

  test('are of one user however the name is spelled', async () => {
    const first = await issue('Integration@Example.com');
    for (let n = 0; n < 5; n++) await issue(n % 2 === 0 ? USER.toUpperCase() : USER);
    expect(lives(first.refreshToken)).toBe(false);
  });
});

describe('names of users', () => {
  const SPELLINGS = [USER, USER.toUpperCase(), 'Integration@Example.com', 'INTEGRATION@example.COM'];

  test.each(SPELLINGS)(
    'are compared without case wherever one is sent, and come back as they were set up: %s',
    async (name) => {
      const byJwt = await exchangeJwt(assertion({ sub: name }));
      expect(byJwt.status).toBe(200);
      const { accessToken } = await salesforce.issueRefreshToken(CLIENT_ID, name);
      for (const token of [textOf(byJwt.body['access_token']), accessToken]) {
        expect((await introspect(token)).body).toMatchObject({ active: true, username: USER });
        expect((await userinfo(token)).body).toMatchObject({ preferred_username: USER });
      }
      const query = { response_type: 'code', client_id: CLIENT_ID, redirect_uri: REDIRECT_URI, login_hint: name };
      const page = `${salesforce.url}/services/oauth2/authorize?${new URLSearchParams(query)}`;
      const location = (await fetch(page, { redirect: 'manual' })).headers.get('location');
      const { body } = await redeem(textOf(new URL(textOf(location)).searchParams.get('code')));
      expect((await introspect(textOf(body['access_token']))).body).toMatchObject({ username: USER });
      salesforce.inactiveUser(name, true);
      expect((await exchangeJwt(assertion())).body['error']).toBe('inactive_user');
    },
  );

  test('of other people stay other people', async () => {
    expect((await exchangeJwt(assertion({ sub: 'Integration@Example.org' }))).status).toBe(400);
  });
});

describe('access tokens that are JWTs', () => {
  const app = { clientId: CLIENT_ID, clientSecret: CLIENT_SECRET, certificates: [pem(keys.publicKey)], users: [USER] };
  const claimsOf = (jwt: string): Record<string, unknown> =>
    JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString());

  test.each([1, 15, 30])('live for the minutes that the app is set to, and say so themselves: %i', async (minutes) => {
    salesforce.registerApp({ ...app, clientCredentialsUser: USER, jwtAccessTokenMinutes: minutes });
    const { refreshToken, accessToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const client = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET };
    const replies = [
      await exchangeJwt(assertion()),
      await refresh(refreshToken),
      await redeem(await salesforce.issueAuthCode(CLIENT_ID, USER, REDIRECT_URI)),
      await post('token', { grant_type: 'client_credentials', ...client }),
    ];
    const exp = START / 1000 + minutes * 60;
    for (const token of [accessToken, ...replies.map(({ body }) => textOf(body['access_token']))]) {
      expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/);
      expect(token.length).toBeLessThan(4_096);
      expect(claimsOf(token)).toMatchObject({ iss: salesforce.url, aud: [salesforce.url], client_id: CLIENT_ID, exp });
      expect((await introspect(token)).body).toMatchObject({ active: true, exp, username: USER });
      expect((await userinfo(token)).status).toBe(200);
    }
    for (const { body } of replies) expect(body).not.toHaveProperty('expires_in');
    nowMs += minutes * 60_000;
    expect((await userinfo(accessToken)).status).toBe(403);
    expect((await introspect(accessToken)).body).toEqual({ active: false });
  });

  test('are nothing where one sign of them is changed', async () => {
    salesforce.registerApp({ ...app, jwtAccessTokenMinutes: 15 });
    const token = textOf((await exchangeJwt(assertion())).body['access_token']);
    expect((await userinfo(`${token.slice(0, -3)}AAA`)).status).toBe(403);
  });

  test.each([0, 31, 1.5, -1, Number.NaN])('cannot be set to %d minutes', (minutes) => {
    expect(() => salesforce.registerApp({ ...app, jwtAccessTokenMinutes: minutes })).toThrow('1 to 30 minutes');
  });
});

describe('a login host', () => {
  const EXTERNAL = '3MVG9.external';
  const at = async (base: string, form: Record<string, string>) =>
    answerOf(await fetch(`${base}/services/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) }));
  const byJwt = (base: string, claims: Record<string, unknown>) =>
    at(base, { grant_type: JWT_BEARER, assertion: assertion(claims) });
  const NOT_THERE = refusal('app_not_found', 'External client app is not installed in this org');

  beforeEach(() =>
    salesforce.registerApp({
      clientId: EXTERNAL,
      clientSecret: CLIENT_SECRET,
      certificates: [pem(keys.publicKey)],
      users: [USER],
      clientCredentialsUser: USER,
      isExternal: true,
    }),
  );

  test('knows no External Client App, for any grant; the My Domain does', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(EXTERNAL, USER);
    const code = await salesforce.issueAuthCode(EXTERNAL, USER, REDIRECT_URI);
    const client = { client_id: EXTERNAL, client_secret: CLIENT_SECRET };
    const forms = [
      { grant_type: JWT_BEARER, assertion: assertion({ iss: EXTERNAL, aud: salesforce.url }) },
      { grant_type: 'refresh_token', refresh_token: refreshToken, ...client },
      { grant_type: 'authorization_code', code, redirect_uri: REDIRECT_URI, ...client },
      { grant_type: 'client_credentials', ...client },
    ];
    for (const form of forms) expect(await at(salesforce.loginHostUrl, form)).toEqual(NOT_THERE);
    for (const form of forms) expect((await at(salesforce.url, form)).status).toBe(200);
  });

  test('sends the browser back without a code for an External Client App', async () => {
    const query = {
      response_type: 'code',
      client_id: EXTERNAL,
      redirect_uri: REDIRECT_URI,
      login_hint: USER,
      state: 's',
    };
    const ask = async (base: string) => {
      const page = `${base}/services/oauth2/authorize?${new URLSearchParams(query)}`;
      return new URL(textOf((await fetch(page, { redirect: 'manual' })).headers.get('location'))).searchParams;
    };
    expect(Object.fromEntries(await ask(salesforce.loginHostUrl))).toEqual({
      error: 'OAUTH_EC_APP_NOT_FOUND',
      error_description: 'External client app is not installed in this org',
      state: 's',
    });
    expect((await ask(salesforce.url)).get('code')).toMatch(/^aPrx/);
  });

  test.each(['https://login.salesforce.com', 'https://test.salesforce.com', 'https://other.my.salesforce.com'])(
    'is no audience of an External Client App: %s',
    async (aud) => {
      expect(await byJwt(salesforce.url, { iss: EXTERNAL, aud })).toEqual(
        refusal('invalid_grant', 'Audience validation failed'),
      );
      expect((await byJwt(salesforce.url, { iss: EXTERNAL, aud: salesforce.loginHostUrl })).status).toBe(400);
    },
  );

  test('serves every other app, with itself as audience too, and no client credentials', async () => {
    expect((await byJwt(salesforce.loginHostUrl, { aud: salesforce.loginHostUrl })).status).toBe(200);
    const client = { client_id: CLIENT_ID, client_secret: CLIENT_SECRET };
    expect(await at(salesforce.loginHostUrl, { grant_type: 'client_credentials', ...client })).toEqual(
      refusal('invalid_grant', 'request not supported on this domain'),
    );
  });
});

describe('the HTTP side', () => {
  const tokenEndpoint = () => `${salesforce.url}/services/oauth2/token`;

  test('tells the time of its own clock, which may be off', async () => {
    salesforce.setClockSkew(-90);
    const response = await fetch(tokenEndpoint(), { method: 'POST' });
    expect(response.headers.get('date')).toBe('Tue, 24 Nov 2026 08:58:30 GMT');
  });

  test('refuses what is no form sent by POST', async () => {
    expect(await answerOf(await fetch(tokenEndpoint()))).toEqual(refusal('invalid_request', 'must use HTTP POST'));
    const unsupported = refusal('unsupported_grant_type', 'grant type not supported');
    const json = JSON.stringify({ grant_type: 'refresh_token' });
    const headers = { 'content-type': 'application/json' };
    expect(await answerOf(await fetch(tokenEndpoint(), { method: 'POST', headers, body: json }))).toEqual(unsupported);
    expect(await post('token', { grant_type: 'password' })).toEqual(unsupported);
    expect((await post('token', { grant_type: JWT_BEARER })).body).toMatchObject({ error: 'invalid_request' });
    expect((await fetch(salesforce.url)).status).toBe(404);
  });

  test('refuses a parameter that comes twice', async () => {
    const twice = new URLSearchParams({ grant_type: 'refresh_token' });
    twice.append('grant_type', 'refresh_token');
    const answer = await answerOf(await fetch(tokenEndpoint(), { method: 'POST', body: twice }));
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  });

  test('records every request by endpoint and grant until told to forget', async () => {
    const { refreshToken, accessToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    await exchangeJwt(assertion());
    await refresh(refreshToken);
    await userinfo(accessToken);
    await introspect(accessToken);
    await post('revoke', { token: accessToken });
    await fetch(`${salesforce.url}/services/oauth2/authorize?client_id=nobody`);
    expect(salesforce.calls.map(({ operation }) => operation)).toEqual([
      'token:jwt-bearer',
      'token:refresh_token',
      'userinfo',
      'introspect',
      'revoke',
      'authorize',
    ]);
    expect(salesforce.calls[1]?.input).toMatchObject({ grant_type: 'refresh_token', refresh_token: refreshToken });
    salesforce.forget();
    expect(salesforce.calls).toEqual([]);
  });

  const failWith =
    (fault: Fault, when: 'before' | 'after'): Intercept =>
    (_call, phase) =>
      phase === when ? fault : undefined;

  test('does not spend a token where a fault comes before', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    intercept = failWith({ status: 400, code: 'rate_limit_exceeded', message: 'login rate exceeded' }, 'before');
    expect(await refresh(refreshToken)).toEqual(refusal('rate_limit_exceeded', 'login rate exceeded'));
    intercept = failWith('drop', 'before');
    await expect(refresh(refreshToken)).rejects.toThrow(TypeError);
    expect(salesforce.family(refreshToken)).toMatchObject({ liveRefreshToken: refreshToken, exchanges: 0 });
  });

  test('has spent the token where the answer is lost afterwards', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    intercept = failWith('drop', 'after');
    await expect(refresh(refreshToken)).rejects.toThrow(TypeError);
    intercept = undefined;
    const family = salesforce.family(refreshToken);
    expect(family).toMatchObject({ alive: true, exchanges: 1 });
    expect(family?.liveRefreshToken).not.toBe(refreshToken);
    expect(await refresh(refreshToken)).toEqual(DEAD_TOKEN);
  });

  test.each([429, 503])('can answer %i with a page of HTML', async (status) => {
    intercept = failWith({ status, code: 'html', message: 'Down for <maintenance>' }, 'before');
    const response = await fetch(tokenEndpoint(), { method: 'POST' });
    expect(response.status).toBe(status);
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await response.text()).toContain('Down for &#60;maintenance&#62;');
  });

  test('finishes the work of a caller who went away', async () => {
    const { refreshToken } = await salesforce.issueRefreshToken(CLIENT_ID, USER);
    const [arrived, released, applied] = [gate(), gate(), gate()];
    intercept = async (_call, phase) => {
      if (phase === 'after') applied.open();
      if (phase === 'before') {
        arrived.open();
        await released.promise;
      }
      return undefined;
    };
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    const caller = request(tokenEndpoint(), { method: 'POST', headers });
    caller.on('error', () => undefined);
    caller.end(`grant_type=refresh_token&client_id=${CLIENT_ID}&refresh_token=${refreshToken}`);
    await arrived.promise;
    caller.destroy();
    released.open();
    await applied.promise;
    expect(salesforce.family(refreshToken)?.exchanges).toBe(1);
  });
});

describe('an instance', () => {
  test('says nothing on the console', async () => {
    const spies = (['log', 'info', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name));
    const quiet = await startSalesforce(options);
    quiet.registerApp({ clientId: CLIENT_ID, rotation: true });
    const { refreshToken } = await quiet.issueRefreshToken(CLIENT_ID, USER);
    const form = { grant_type: 'refresh_token', client_id: CLIENT_ID, refresh_token: refreshToken };
    const ask = () => fetch(`${quiet.url}/services/oauth2/token`, { method: 'POST', body: new URLSearchParams(form) });
    expect([(await ask()).status, (await ask()).status]).toEqual([200, 400]);
    await quiet.close();
    for (const spy of spies) expect(spy).not.toHaveBeenCalled();
  });

  test('knows nothing of its neighbour', async () => {
    const neighbour = await startSalesforce(options);
    neighbour.registerApp({ clientId: CLIENT_ID });
    const { accessToken } = await neighbour.issueRefreshToken(CLIENT_ID, USER);
    expect((await userinfo(accessToken)).status).toBe(403);
    await neighbour.close();
  });
});
