/** Everything beside the token endpoint: what a token is worth, how it dies, the page in a browser, and a bit of Setup. */
import { type Incoming, mustPost, rejectDuplicates, required } from './http.ts';
import { isSameUser, LOGIN_HOST, type SalesforceOrg, SCOPE } from './org.ts';
import {
  authorizationCodes,
  loginPage,
  organizationId,
  Refused,
  type Reply,
  refreshTokens,
  userId,
} from './replies.ts';
import type { StoredRecord } from './store.ts';
import { authenticated } from './token.ts';

/** Only an app with a secret may ask, and only about its own tokens. */
export function introspect(org: SalesforceOrg, incoming: Incoming): Reply {
  mustPost(incoming);
  const record = anyToken(org, required(incoming, 'token'));
  const { clientId, clientSecret } = authenticated(org, incoming, true);
  if (clientSecret === undefined) throw new Refused('CLIENT_CREDENTIALS');
  if (!record || record.payload.clientId !== clientId || !org.isLive(record)) {
    return { status: 200, body: { active: false } };
  }
  const username = record.payload.accountId ?? '';
  const iat = Math.floor(record.issuedAt / 1000);
  const body = {
    active: true,
    scope: SCOPE,
    client_id: clientId,
    username,
    sub: `${org.url}/id/${organizationId}/${userId(username)}`,
    token_type: record.model === 'RefreshToken' ? 'refresh_token' : 'access_token',
    exp: Math.floor(record.expiresAt / 1000),
    iat,
    nbf: iat,
  };
  return { status: 200, body };
}

export function userinfo(org: SalesforceOrg, incoming: Incoming): Reply {
  const sent = bearer(incoming);
  if (sent === undefined) return { status: 403, body: 'Missing_OAuth_Token' };
  const record = org.accessTokenIn(sent);
  if (!record || !org.isLive(record)) return { status: 403, body: 'Bad_OAuth_Token' };
  const username = record.payload.accountId ?? '';
  const user = userId(username);
  const body = {
    sub: `${org.url}/id/${organizationId}/${user}`,
    user_id: user,
    organization_id: organizationId,
    preferred_username: username,
    name: username,
    email: username,
    active: true,
  };
  return { status: 200, body };
}

/** A refresh token takes its access tokens along, an access token goes alone. */
export function revokeToken(org: SalesforceOrg, incoming: Incoming): Reply {
  mustPost(incoming);
  const record = anyToken(org, required(incoming, 'token'));
  if (!record || !org.isLive(record)) throw new Refused('TOKEN_UNKNOWN');
  const { grantId } = record.payload;
  if (record.model === 'RefreshToken') org.store.revokeWhere((other) => other.payload.grantId === grantId);
  else record.revoked = true;
  return { status: 200, body: '' };
}

export async function authorize(org: SalesforceOrg, incoming: Incoming): Promise<Reply> {
  const query = incoming.parameters;
  rejectDuplicates(query);
  const app = org.apps.get(required(incoming, 'client_id'));
  if (!app) throw new Refused('CLIENT_ID');
  const redirectUri = required(incoming, 'redirect_uri');
  // Every app lists all of loopback among its callback URLs.
  const { protocol, hostname = '' } = URL.parse(redirectUri) ?? {};
  if (protocol !== 'http:' || !['127.0.0.1', '[::1]', 'localhost'].includes(hostname))
    throw new Refused('REDIRECT_URI');
  // From here on the redirect URI is trusted, and all answers go there.
  const back = (answer: Record<string, string>): Reply => {
    const location = new URL(redirectUri);
    const state = query.get('state');
    for (const [name, value] of Object.entries(answer)) location.searchParams.set(name, value);
    if (state !== null) location.searchParams.set('state', state);
    return { status: 302, headers: { location: location.href }, body: '' };
  };
  if (app.isExternal === true && incoming.hostname === LOGIN_HOST)
    return back({
      error: 'OAUTH_EC_APP_NOT_FOUND',
      error_description: 'External client app is not installed in this org',
    });
  if (query.get('response_type') !== 'code') return back({ error: 'unsupported_response_type' });
  const challenge = query.get('code_challenge') ?? undefined;
  if (challenge !== undefined && query.get('code_challenge_method') !== 'S256') {
    return back({ error: 'invalid_request', error_description: 'code challenge method must be S256' });
  }
  const hint = query.get('login_hint');
  const username = app.users?.find((user) => hint !== null && isSameUser(user, hint)) ?? org.loggedIn;
  if (username === undefined) return loginPage(query, app.users ?? []);
  if (org.isInactive(username)) return back({ error: 'access_denied', error_description: 'user is inactive' });
  const code = await org.authorizationCode(app.clientId, username, redirectUri, challenge);
  return back({ code: authorizationCodes.outward(code) });
}

/** Stands for the page of Setup on which an administrator uploads an app's certificate, for people who try the command line. */
export function uploadCertificate(org: SalesforceOrg, incoming: Incoming): Reply {
  mustPost(incoming);
  const certificate = required(incoming, 'certificate');
  const app = org.apps.get(required(incoming, 'client_id'));
  if (!app) throw new Refused('CLIENT_ID');
  org.apps.set(app.clientId, { ...app, certificates: [certificate] });
  return { status: 200, body: `Certificate of ${app.clientId} uploaded.` };
}

function anyToken(org: SalesforceOrg, sent: string): StoredRecord | undefined {
  return org.accessTokenIn(sent) ?? org.store.record('RefreshToken', refreshTokens.inward(sent));
}

export function bearer({ authorization }: Incoming): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(authorization ?? '')?.[1];
}
