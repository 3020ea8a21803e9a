import * as v from 'valibot';
import type { Incoming } from './http.ts';
import type { SalesforceOAuth } from './oauth.ts';
import { SCOPE } from './oauth.ts';
import type { SalesforceOrg } from './org.ts';
import type { Reply } from './replies.ts';
import {
  accessTokens,
  authorizationCodes,
  loginPage,
  organizationId,
  Refused,
  refreshTokens,
  userId,
} from './replies.ts';
import { clientAuthentication, knownApp, mustPost, rejectDuplicates, required } from './request.ts';
import type { StoredRecord } from './store.ts';
import { refused } from './token.ts';

const IntrospectionBody = v.object({ active: v.boolean() });

export async function introspect(oauth: SalesforceOAuth, incoming: Incoming): Promise<Reply> {
  const { org, url } = oauth;
  mustPost(incoming);
  const sent = required(incoming.form, 'token');
  const app = knownApp(incoming, org);
  const record = anyToken(org, sent);
  const authentication = clientAuthentication(incoming, app, true);
  if (app.clientSecret === undefined) throw new Refused('CLIENT_CREDENTIALS');
  const reply = await oauth.ask('/introspect', { token: record?.id ?? 'unknown', ...authentication });
  if (reply.status !== 200) throw refused(reply, () => new Refused('CLIENT_CREDENTIALS'));
  if (!v.parse(IntrospectionBody, reply.body).active || !record || !org.isLive(record)) {
    return { status: 200, body: { active: false } };
  }
  const username = record.payload.accountId ?? '';
  const iat = Math.floor(record.issuedAt / 1000);
  return {
    status: 200,
    body: {
      active: true,
      scope: SCOPE,
      client_id: app.clientId,
      username,
      sub: `${url}/id/${organizationId}/${userId(username)}`,
      token_type: record.model === 'RefreshToken' ? 'refresh_token' : 'access_token',
      exp: Math.floor(record.expiresAt / 1000),
      iat,
      nbf: iat,
    },
  };
}

export function userinfo(oauth: SalesforceOAuth, incoming: Incoming): Reply {
  const { org, url } = oauth;
  const sent = bearer(incoming);
  if (sent === undefined) return { status: 403, body: 'Missing_OAuth_Token' };
  const record = org.store.record('AccessToken', accessTokens.inward(sent));
  if (!record || !org.isLive(record)) return { status: 403, body: 'Bad_OAuth_Token' };
  const username = record.payload.accountId ?? '';
  const user = userId(username);
  return {
    status: 200,
    body: {
      sub: `${url}/id/${organizationId}/${user}`,
      user_id: user,
      organization_id: organizationId,
      preferred_username: username,
      name: username,
      email: username,
      active: true,
    },
  };
}

/** A refresh token takes its access tokens along, an access token goes alone. */
export function revokeToken(oauth: SalesforceOAuth, incoming: Incoming): Reply {
  const { org } = oauth;
  const parameters = incoming.method === 'GET' ? incoming.query : incoming.form;
  const record = anyToken(org, required(parameters, 'token'));
  if (!record || !org.isLive(record)) throw new Refused('TOKEN_UNKNOWN');
  const { grantId } = record.payload;
  if (record.model === 'RefreshToken') org.store.revokeWhere((other) => other.payload.grantId === grantId);
  else record.revoked = true;
  return { status: 200, body: '' };
}

export async function authorize(oauth: SalesforceOAuth, incoming: Incoming): Promise<Reply> {
  const { org } = oauth;
  const query = incoming.method === 'GET' ? incoming.query : incoming.form;
  rejectDuplicates(query);
  const app = org.apps.get(required(query, 'client_id'));
  if (!app) throw new Refused('CLIENT_ID');
  const redirectUri = required(query, 'redirect_uri');
  if (!app.redirectUris?.includes(redirectUri) && !isLoopback(redirectUri)) throw new Refused('REDIRECT_URI');
  // From here on the redirect URI is trusted, and all answers go there.
  const back = (answer: Record<string, string>): Reply => {
    const location = new URL(redirectUri);
    const state = query.get('state');
    for (const [name, value] of Object.entries(answer)) location.searchParams.set(name, value);
    if (state !== null) location.searchParams.set('state', state);
    return { status: 302, headers: { location: location.href }, body: '' };
  };
  if (query.get('response_type') !== 'code') return back({ error: 'unsupported_response_type' });
  const challenge = query.get('code_challenge') ?? undefined;
  if (challenge !== undefined && (query.get('code_challenge_method') ?? 'S256') !== 'S256') {
    return back({ error: 'invalid_request', error_description: 'code challenge method must be S256' });
  }
  const hint = query.get('login_hint');
  const username = hint !== null && app.users?.includes(hint) ? hint : org.loggedIn;
  if (username === undefined) return loginPage(query, app.users ?? []);
  if (org.inactiveUsers.has(username)) return back({ error: 'access_denied', error_description: 'user is inactive' });
  const code = await oauth.authorizationCode(app.clientId, username, redirectUri, challenge);
  return back({ code: authorizationCodes.outward(code) });
}

/** Stands for the page of Setup on which an administrator uploads an app's certificate, for people who try the command line. */
export function uploadCertificate({ org }: SalesforceOAuth, incoming: Incoming): Reply {
  mustPost(incoming);
  const certificate = required(incoming.form, 'certificate');
  const app = knownApp(incoming, org);
  org.apps.set(app.clientId, { ...app, certificates: [certificate] });
  return { status: 200, body: `Certificate of ${app.clientId} uploaded.` };
}

function anyToken(org: SalesforceOrg, sent: string): StoredRecord | undefined {
  return (
    org.store.record('AccessToken', accessTokens.inward(sent)) ??
    org.store.record('RefreshToken', refreshTokens.inward(sent))
  );
}

export function bearer(incoming: Incoming): string | undefined {
  return /^Bearer\s+(\S+)$/i.exec(incoming.authorization ?? '')?.[1] ?? incoming.form.get('access_token') ?? undefined;
}

function isLoopback(uri: string): boolean {
  const parsed = URL.parse(uri);
  return parsed?.protocol === 'http:' && ['127.0.0.1', 'localhost', '[::1]'].includes(parsed.hostname);
}
