import type { Call } from '../wire/traffic.ts';
import { authorize, bearer, introspect, revokeToken, uploadCertificate, userinfo } from './endpoints.ts';
import type { Incoming, Route } from './http.ts';
import { serve } from './http.ts';
import { clientMetadata, SalesforceOAuth } from './oauth.ts';
import type { SalesforceApp, SalesforceOptions } from './org.ts';
import { SalesforceOrg } from './org.ts';
import { accessTokens, authorizationCodes, refreshTokens } from './replies.ts';
import { JWT_BEARER, token } from './token.ts';

interface Family {
  readonly alive: boolean;
  readonly liveRefreshToken: string | undefined;
  /** How many refreshes succeeded, whether or not the answer arrived. */
  readonly exchanges: number;
  readonly reuseDetected: boolean;
}

export interface LocalSalesforce {
  readonly url: string;
  readonly calls: readonly Call[];
  forget(): void;
  /** Adds an app, or replaces it: its tokens live on. */
  registerApp(app: SalesforceApp): void;
  setRotation(clientId: string, on: boolean): void;
  /** As if a person had authorised the app. */
  issueRefreshToken(clientId: string, username: string): Promise<{ refreshToken: string; accessToken: string }>;
  issueAuthCode(clientId: string, username: string, redirectUri: string): Promise<string>;
  /** An administrator revokes: every token of the person's for this app is dead. */
  revoke(clientId: string, username: string): Promise<void>;
  /** By any refresh token of it, past or present. */
  family(refreshToken: string): Family | undefined;
  accessTokenIsLive(token: string): boolean;
  /** How often a spent refresh token was sent. */
  readonly spentTokenUses: number;
  inactiveUser(username: string, inactive: boolean): void;
  inactiveOrg(inactive: boolean): void;
  /** Who is logged in in every browser, and approves every app without being asked. */
  logIn(username: string | undefined): void;
  /** How far the server's clock is ahead: its `Date` header, what it takes for expired, and `issued_at`. */
  setClockSkew(seconds: number): void;
  close(): Promise<void>;
}

/** A Salesforce login host and My Domain in one, on loopback. Everything it knows is in memory. */
export async function startSalesforce(options: SalesforceOptions): Promise<LocalSalesforce> {
  const org = new SalesforceOrg(options, clientMetadata);
  const { apps, store } = org;
  const http = await serve(options, org.now, (incoming) => route(oauth, incoming));
  const oauth = new SalesforceOAuth(http.url, org);

  return {
    url: http.url,
    calls: http.calls,
    forget: () => http.calls.splice(0),
    registerApp: (app) => void apps.set(app.clientId, app),
    setRotation(clientId, rotation) {
      const app = apps.get(clientId);
      if (!app) throw new Error(`The local Salesforce has no app ${clientId}: call registerApp first.`);
      apps.set(clientId, { ...app, rotation });
    },
    async issueRefreshToken(clientId, username) {
      const { refreshToken, accessToken } = await oauth.refreshToken(clientId, username);
      return { refreshToken: refreshTokens.outward(refreshToken), accessToken: accessTokens.outward(accessToken) };
    },
    async issueAuthCode(clientId, username, redirectUri) {
      return authorizationCodes.outward(await oauth.authorizationCode(clientId, username, redirectUri));
    },
    async revoke(clientId, username) {
      store.revokeWhere(({ payload }) => payload.clientId === clientId && payload.accountId === username);
    },
    family(refreshToken) {
      const grantId = store.record('RefreshToken', refreshTokens.inward(refreshToken))?.payload.grantId;
      if (grantId === undefined) return undefined;
      const live = store
        .all('RefreshToken')
        .findLast(
          ({ id, payload, consumed }) => payload.grantId === grantId && !consumed && store.live('RefreshToken', id),
        );
      return {
        alive: live !== undefined,
        liveRefreshToken: live && refreshTokens.outward(live.id),
        exchanges: org.exchanges.get(grantId) ?? 0,
        reuseDetected: org.reused.has(grantId),
      };
    },
    accessTokenIsLive(sent) {
      const record = store.record('AccessToken', accessTokens.inward(sent));
      return record !== undefined && org.isLive(record);
    },
    get spentTokenUses() {
      return org.spentTokenUses;
    },
    inactiveUser(username, inactive) {
      if (inactive) org.inactiveUsers.add(username);
      else org.inactiveUsers.delete(username);
    },
    inactiveOrg(inactive) {
      org.inactive = inactive;
    },
    logIn(username) {
      org.loggedIn = username;
    },
    setClockSkew(seconds) {
      org.skewSeconds = seconds;
    },
    close: http.close,
  };
}

function route(oauth: SalesforceOAuth, incoming: Incoming): Route | undefined {
  const { form } = incoming;
  const input = Object.fromEntries(incoming.method === 'GET' ? incoming.query : form);
  switch (incoming.path) {
    case '/services/oauth2/token': {
      const grantType = form.get('grant_type') ?? 'none';
      const operation = `token:${grantType === JWT_BEARER ? 'jwt-bearer' : grantType}`;
      const exclusive = grantType === 'refresh_token' ? (form.get('refresh_token') ?? undefined) : undefined;
      return { operation, input, exclusive, apply: () => token(oauth, incoming, grantType) };
    }
    case '/services/oauth2/introspect':
      return { operation: 'introspect', input, apply: () => introspect(oauth, incoming) };
    case '/services/oauth2/revoke':
      return { operation: 'revoke', input, apply: async () => revokeToken(oauth, incoming) };
    case '/services/oauth2/userinfo': {
      const sent = { accessToken: bearer(incoming) };
      return { operation: 'userinfo', input: sent, apply: async () => userinfo(oauth, incoming) };
    }
    case '/services/oauth2/authorize':
      return { operation: 'authorize', input, apply: () => authorize(oauth, incoming) };
    case '/setup/certificate':
      return { operation: 'setup:certificate', input, apply: async () => uploadCertificate(oauth, incoming) };
    default:
      return undefined;
  }
}
