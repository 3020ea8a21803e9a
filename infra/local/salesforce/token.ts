/** The token endpoint. */
import { createHmac, createPublicKey, X509Certificate } from 'node:crypto';
import { decodeJwt, errors, jwtVerify } from 'jose';
import { type Incoming, mustPost, required } from './http.ts';
import { isSameUser, LOGIN_HOST, type SalesforceApp, type SalesforceOrg, SCOPE } from './org.ts';
import { authorizationCodes, organizationId, Refused, type Reply, refreshTokens, userId } from './replies.ts';
import type { StoredRecord } from './store.ts';

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const LOGIN_HOSTS = ['https://login.salesforce.com', 'https://test.salesforce.com'];

export async function token(org: SalesforceOrg, incoming: Incoming): Promise<Reply> {
  mustPost(incoming);
  switch (incoming.parameters.get('grant_type')) {
    case JWT_BEARER:
      return jwtBearer(org, incoming);
    case 'refresh_token':
      return refresh(org, incoming);
    case 'authorization_code':
      return redeem(org, incoming);
    case 'client_credentials':
      return clientCredentials(org, incoming);
    default:
      throw new Refused('GRANT_TYPE');
  }
}

/** RFC 7523, section 3, as Salesforce reads it: it takes an end however far off, even one in milliseconds. */
async function jwtBearer(org: SalesforceOrg, incoming: Incoming): Promise<Reply> {
  const assertion = required(incoming, 'assertion');
  const app = org.appAt(incoming, issuerOf(assertion));
  const { sub = '', jti } = await verified(assertion, app, org);
  const username = app.users?.find((user) => isSameUser(user, sub));
  if (username === undefined) throw new Refused('NOT_APPROVED');
  checkActive(org, username);
  if (jti !== undefined) {
    const use = `${app.clientId} ${jti}`;
    if (org.usedJtis.has(use)) throw new Refused('INVALID_ASSERTION');
    org.usedJtis.add(use);
  }
  return issued(org, app, username, await org.accessToken(app.clientId, username));
}

/** Not verified yet: it says whose key is to be tried. */
function issuerOf(assertion: string): string {
  try {
    return decodeJwt(assertion).iss ?? '';
  } catch {
    throw new Refused('INVALID_ASSERTION');
  }
}

async function verified(
  assertion: string,
  { certificates = [], isExternal = false }: SalesforceApp,
  org: SalesforceOrg,
) {
  const currentDate = new Date(org.now());
  const loginHost = org.url.replace(/\/\/[^:]+/, `//${LOGIN_HOST}`);
  const requirements = {
    algorithms: ['RS256'],
    audience: isExternal ? [org.url] : [org.url, loginHost, ...LOGIN_HOSTS],
    requiredClaims: ['sub', 'exp'],
    currentDate,
  };
  for (const pem of certificates) {
    if (pem.includes('BEGIN CERTIFICATE') && new X509Certificate(pem).validToDate <= currentDate) continue;
    try {
      return (await jwtVerify(assertion, createPublicKey(pem), requirements)).payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new Refused('CODE_EXPIRED');
      if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud')
        throw new Refused(isExternal ? 'AUDIENCE_EXTERNAL' : 'AUDIENCE');
      // Another certificate of the app may be the right one.
    }
  }
  throw new Refused('INVALID_ASSERTION');
}

async function refresh(org: SalesforceOrg, incoming: Incoming): Promise<Reply> {
  const sent = refreshTokens.inward(required(incoming, 'refresh_token'));
  const app = authenticated(org, incoming, false);
  const record = org.store.record('RefreshToken', sent);
  if (record?.consumed) org.spentTokenUses += 1;
  const wasDead = record?.revoked;
  const username = activeOwner(org, record);
  const grantId = record?.payload.grantId ?? '';
  const parameters = { grant_type: 'refresh_token', client_id: app.clientId, refresh_token: sent };
  const { tokens } = await org.ask(parameters);
  if (tokens === undefined) {
    // oidc-provider has just killed the family, because this token was sent before.
    if (record?.consumed && record.revoked && !wasDead) org.reused.add(grantId);
    throw new Refused('TOKEN_EXPIRED');
  }
  org.exchanges.set(grantId, (org.exchanges.get(grantId) ?? 0) + 1);
  // oidc-provider repeats a token that was not rotated, Salesforce does not.
  const rotated = tokens.refresh_token === record?.id ? undefined : tokens.refresh_token;
  return issued(org, app, username, tokens.access_token, { refreshToken: rotated });
}

async function redeem(org: SalesforceOrg, incoming: Incoming): Promise<Reply> {
  const app = authenticated(org, incoming, true);
  const code = authorizationCodes.inward(required(incoming, 'code'));
  const verifier = incoming.parameters.get('code_verifier');
  const record = org.store.record('AuthorizationCode', code);
  const username = activeOwner(org, record);
  const { tokens, detail } = await org.ask({
    grant_type: 'authorization_code',
    client_id: app.clientId,
    code,
    redirect_uri: required(incoming, 'redirect_uri'),
    ...(verifier === null ? {} : { code_verifier: verifier }),
  });
  if (tokens !== undefined) {
    org.limitApprovals(app.clientId, username);
    return issued(org, app, username, tokens.access_token, { refreshToken: tokens.refresh_token });
  }
  if (detail.includes('redirect_uri')) throw new Refused('REDIRECT_URI');
  if (detail.includes('code_verifier')) throw new Refused('CODE_VERIFIER');
  throw new Refused(record ? 'CODE_EXPIRED' : 'CODE_INVALID');
}

async function clientCredentials(org: SalesforceOrg, incoming: Incoming): Promise<Reply> {
  const app = authenticated(org, incoming, true);
  if (incoming.hostname === LOGIN_HOST) throw new Refused('DOMAIN');
  if (app.clientSecret === undefined) throw new Refused('CLIENT_CREDENTIALS');
  const username = app.clientCredentialsUser;
  if (username === undefined) throw new Refused('NO_RUN_AS_USER');
  checkActive(org, username);
  return issued(org, app, username, await org.accessToken(app.clientId, username));
}

/** The app that asks. A secret that is sent must be right; of an app that has one it may be required. */
export function authenticated(org: SalesforceOrg, incoming: Incoming, secretRequired: boolean): SalesforceApp {
  const app = org.appAt(incoming, incoming.parameters.get('client_id') ?? '');
  const sent = incoming.parameters.get('client_secret') ?? undefined;
  const isMissing = sent === undefined && secretRequired && app.clientSecret !== undefined;
  if (isMissing || (sent !== undefined && sent !== app.clientSecret)) throw new Refused('CLIENT_CREDENTIALS');
  return app;
}

function activeOwner(org: SalesforceOrg, record: StoredRecord | undefined): string {
  const username = record?.payload.accountId ?? '';
  checkActive(org, username);
  return username;
}

function checkActive(org: SalesforceOrg, username: string): void {
  if (org.isInactive(username)) throw new Refused('INACTIVE_USER');
}

/**
 * Tokens in Salesforce's shape: no `expires_in`, `issued_at` in milliseconds as a string, and the signature that the holder of the
 * consumer secret can check. `family` is given where the grant knows refresh tokens, whether or not there is a new one.
 */
function issued(
  org: SalesforceOrg,
  { clientId, clientSecret = clientId }: SalesforceApp,
  username: string,
  accessToken: string,
  family?: { readonly refreshToken: string | undefined },
): Reply {
  const id = `${org.url}/id/${organizationId}/${userId(username)}`;
  const issuedAt = String(org.now());
  const body = {
    access_token: org.accessTokenOut(accessToken),
    refresh_token: family?.refreshToken && refreshTokens.outward(family.refreshToken),
    signature: createHmac('sha256', clientSecret)
      .update(id + issuedAt)
      .digest('base64'),
    scope: family === undefined ? SCOPE.replace('refresh_token ', '') : SCOPE,
    instance_url: org.url,
    id,
    token_type: 'Bearer',
    issued_at: issuedAt,
  };
  return { status: 200, body };
}
