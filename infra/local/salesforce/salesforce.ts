import type { LocalServiceOptions } from '../wire/traffic.ts';
import { authorize, bearer, introspect, revokeToken, uploadCertificate, userinfo } from './endpoints.ts';
import { type Incoming, type Route, serve } from './http.ts';
import { isSameUser, LOGIN_HOST, type SalesforceApp, SalesforceOrg } from './org.ts';
import { authorizationCodes, refreshTokens } from './replies.ts';
import { JWT_BEARER, token } from './token.ts';

export type LocalSalesforce = Awaited<ReturnType<typeof startSalesforce>>;

/** A Salesforce on loopback: the My Domain of an org under 127.0.0.1, a login host under localhost. Everything it knows is in memory. */
export async function startSalesforce({ now, intercept }: LocalServiceOptions) {
  const { url, calls, close } = await serve(
    intercept,
    () => org.now(),
    (incoming) => route(org, incoming),
  );
  const org = new SalesforceOrg(url, now);
  const { apps, store } = org;

  return {
    /** The org's My Domain. */
    url,
    /** The same server as a login host, which serves no External Client Apps and no client credentials. */
    loginHostUrl: url.replace('127.0.0.1', LOGIN_HOST),
    /** Every request so far, in the order of arrival. */
    calls: calls as readonly (typeof calls)[number][],
    forget: () => void calls.splice(0),
    /** Adds an app, or replaces it: its tokens live on. */
    registerApp(app: SalesforceApp) {
      const { jwtAccessTokenMinutes: minutes = 1 } = app;
      if (!Number.isInteger(minutes) || minutes < 1 || minutes > 30)
        throw new Error('An access token that is a JWT lives 1 to 30 minutes.');
      apps.set(app.clientId, app);
    },
    setRotation: (clientId: string, rotation: boolean) =>
      void apps.set(clientId, { ...apps.get(clientId), clientId, rotation }),
    /** As if a person had authorised the app. */
    async issueRefreshToken(clientId: string, username: string) {
      const { refreshToken, accessToken } = await org.refreshToken(clientId, username);
      return { refreshToken: refreshTokens.outward(refreshToken), accessToken: org.accessTokenOut(accessToken) };
    },
    async issueAuthCode(clientId: string, username: string, redirectUri: string) {
      return authorizationCodes.outward(await org.authorizationCode(clientId, username, redirectUri));
    },
    /** An administrator revokes: every token of the person's for this app is dead. */
    async revoke(clientId: string, username: string) {
      store.revokeWhere(
        ({ payload }) => payload.clientId === clientId && isSameUser(payload.accountId ?? '', username),
      );
    },
    /** By any refresh token of it, past or present. */
    family(refreshToken: string) {
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
        /** How many refreshes succeeded, whether or not the answer arrived. */
        exchanges: org.exchanges.get(grantId) ?? 0,
        reuseDetected: org.reused.has(grantId),
      };
    },
    accessTokenIsLive(sent: string) {
      const record = org.accessTokenIn(sent);
      return record !== undefined && org.isLive(record);
    },
    /** How often a spent refresh token was sent. */
    get spentTokenUses() {
      return org.spentTokenUses;
    },
    inactiveUser(username: string, inactive: boolean) {
      org.setInactive(username, inactive);
    },
    /** Who is logged in in every browser, and approves every app without being asked. */
    logIn(username: string | undefined) {
      org.loggedIn = username;
    },
    /** How far the server's clock is ahead: its `Date` header, what it takes for expired, and `issued_at`. */
    setClockSkew(seconds: number) {
      org.skewSeconds = seconds;
    },
    close,
  };
}

function route(org: SalesforceOrg, incoming: Incoming): Route | undefined {
  const input = Object.fromEntries(incoming.parameters);
  switch (incoming.path) {
    case '/services/oauth2/token': {
      const { grant_type: grant = 'none', refresh_token: sent } = input;
      const operation = `token:${grant === JWT_BEARER ? 'jwt-bearer' : grant}`;
      const exclusive = grant === 'refresh_token' ? sent : undefined;
      return { operation, input, exclusive, apply: () => token(org, incoming) };
    }
    case '/services/oauth2/introspect':
      return { operation: 'introspect', input, apply: () => introspect(org, incoming) };
    case '/services/oauth2/revoke':
      return { operation: 'revoke', input, apply: () => revokeToken(org, incoming) };
    case '/services/oauth2/userinfo': {
      const sent = { accessToken: bearer(incoming) };
      return { operation: 'userinfo', input: sent, apply: () => userinfo(org, incoming) };
    }
    case '/services/oauth2/authorize':
      return { operation: 'authorize', input, apply: () => authorize(org, incoming) };
    case '/setup/certificate':
      return { operation: 'setup:certificate', input, apply: () => uploadCertificate(org, incoming) };
    default:
      return undefined;
  }
}
