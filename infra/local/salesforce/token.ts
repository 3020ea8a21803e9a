import { createHmac } from 'node:crypto';
import * as v from 'valibot';
import { verifyAssertion } from './assertion.ts';
import type { Incoming } from './http.ts';
import type { OAuthReply, SalesforceOAuth } from './oauth.ts';
import { SCOPE, SCOPE_WITHOUT_REFRESH } from './oauth.ts';
import type { SalesforceOrg } from './org.ts';
import type { Reply } from './replies.ts';
import { accessTokens, authorizationCodes, Refused, refreshTokens, tokenReply } from './replies.ts';
import { clientAuthentication, knownApp, mustPost, required } from './request.ts';
import type { StoredRecord } from './store.ts';

export const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const LOGIN_HOSTS = ['https://login.salesforce.com', 'https://test.salesforce.com'];

const TokenBody = v.object({ access_token: v.string(), refresh_token: v.optional(v.string()) });
const ErrorBody = v.object({ error: v.string(), error_description: v.optional(v.string(), '') });

/** The token endpoint. */
export async function token(oauth: SalesforceOAuth, incoming: Incoming, grantType: string): Promise<Reply> {
  mustPost(incoming);
  if (oauth.org.inactive) throw new Refused('INACTIVE_ORG');
  switch (grantType) {
    case JWT_BEARER:
      return jwtBearer(oauth, incoming);
    case 'refresh_token':
      return refresh(oauth, incoming);
    case 'authorization_code':
      return redeem(oauth, incoming);
    case 'client_credentials':
      return clientCredentials(oauth, incoming);
    default:
      throw new Refused('GRANT_TYPE');
  }
}

async function jwtBearer(oauth: SalesforceOAuth, { form }: Incoming): Promise<Reply> {
  const { org, url } = oauth;
  const { audiences = LOGIN_HOSTS, maximumAssertionSeconds } = org.options;
  const { clientId, username } = await verifyAssertion(required(form, 'assertion'), {
    now: org.now(),
    audiences: [url, ...audiences],
    maximumSeconds: maximumAssertionSeconds,
    app: (issuer) => org.apps.get(issuer),
    userIsActive: (name) => !org.inactiveUsers.has(name),
    firstUse: (issuer, jti) => org.usedJtis.size < org.usedJtis.add(`${issuer} ${jti}`).size,
  });
  return issued(oauth, clientId, username, SCOPE_WITHOUT_REFRESH, await oauth.accessToken(clientId, username));
}

async function refresh(oauth: SalesforceOAuth, incoming: Incoming): Promise<Reply> {
  const { org } = oauth;
  const sent = required(incoming.form, 'refresh_token');
  const app = knownApp(incoming, org);
  const record = org.store.record('RefreshToken', refreshTokens.inward(sent));
  if (record?.consumed) org.spentTokenUses += 1;
  const wasDead = record?.revoked;
  const username = activeAccount(org, record);
  const reply = await oauth.ask('/token', {
    grant_type: 'refresh_token',
    refresh_token: refreshTokens.inward(sent),
    ...clientAuthentication(incoming, app, app.requireSecretForRefresh === true),
  });
  if (reply.status !== 200) {
    // oidc-provider has just killed the family, because this token was sent before.
    if (record?.consumed && record.revoked && !wasDead) org.reused.add(record.payload.grantId ?? '');
    throw refused(reply, () => new Refused('TOKEN_EXPIRED'));
  }
  const grantId = record?.payload.grantId ?? '';
  org.exchanges.set(grantId, (org.exchanges.get(grantId) ?? 0) + 1);
  const { access_token, refresh_token } = v.parse(TokenBody, reply.body);
  // oidc-provider repeats a token that was not rotated, Salesforce does not.
  const rotated = refresh_token === record?.id ? undefined : refresh_token;
  return issued(oauth, app.clientId, username, SCOPE, access_token, rotated);
}

async function redeem(oauth: SalesforceOAuth, incoming: Incoming): Promise<Reply> {
  const { org } = oauth;
  const { form } = incoming;
  const app = knownApp(incoming, org);
  const id = authorizationCodes.inward(required(form, 'code'));
  const verifier = form.get('code_verifier');
  const record = org.store.record('AuthorizationCode', id);
  const username = activeAccount(org, record);
  const reply = await oauth.ask('/token', {
    grant_type: 'authorization_code',
    code: id,
    redirect_uri: required(form, 'redirect_uri'),
    ...(verifier === null ? {} : { code_verifier: verifier }),
    ...clientAuthentication(incoming, app, true),
  });
  if (reply.status !== 200) {
    throw refused(reply, (detail) => {
      if (detail.includes('redirect_uri')) return new Refused('REDIRECT_URI');
      if (detail.includes('code_verifier')) return new Refused('CODE_VERIFIER');
      return new Refused(record ? 'CODE_EXPIRED' : 'CODE_INVALID');
    });
  }
  const { access_token, refresh_token } = v.parse(TokenBody, reply.body);
  return issued(oauth, app.clientId, username, SCOPE, access_token, refresh_token);
}

async function clientCredentials(oauth: SalesforceOAuth, incoming: Incoming): Promise<Reply> {
  const { org } = oauth;
  if (org.options.loginHost) throw new Refused('NOT_ON_THIS_DOMAIN');
  const app = knownApp(incoming, org);
  if (app.clientSecret === undefined) throw new Refused('CLIENT_CREDENTIALS');
  const authentication = clientAuthentication(incoming, app, true);
  const reply = await oauth.ask('/token', { grant_type: 'client_credentials', ...authentication });
  if (reply.status !== 200) throw refused(reply, () => new Refused('CLIENT_CREDENTIALS'));
  const username = app.clientCredentialsUser;
  if (username === undefined) throw new Refused('NO_RUN_AS_USER');
  if (org.inactiveUsers.has(username)) throw new Refused('INACTIVE_USER');
  // oidc-provider's own token stands for the app, Salesforce's for the person that the app runs as: so that one never leaves.
  return issued(oauth, app.clientId, username, SCOPE_WITHOUT_REFRESH, await oauth.accessToken(app.clientId, username));
}

function issued(
  oauth: SalesforceOAuth,
  clientId: string,
  username: string,
  scope: string,
  accessId: string,
  refreshId?: string,
): Reply {
  const { org } = oauth;
  return tokenReply({
    url: oauth.url,
    username,
    scope,
    accessToken: accessTokens.outward(accessId),
    refreshToken: refreshId === undefined ? undefined : refreshTokens.outward(refreshId),
    signingSecret:
      org.apps.get(clientId)?.clientSecret ?? createHmac('sha256', org.secret).update(clientId).digest('base64url'),
    now: org.now(),
  });
}

function activeAccount(org: SalesforceOrg, record: StoredRecord | undefined): string {
  const username = record?.payload.accountId ?? '';
  if (org.inactiveUsers.has(username)) throw new Refused('INACTIVE_USER');
  return username;
}

/** What oidc-provider refused, in Salesforce's words; `otherwise` is asked unless it was the client. */
export function refused(reply: OAuthReply, otherwise: (detail: string) => Refused): Refused {
  const { error, error_description } = v.parse(ErrorBody, reply.body);
  if (error === 'invalid_client') return new Refused('CLIENT_CREDENTIALS');
  return otherwise(reply.detail ?? error_description);
}
