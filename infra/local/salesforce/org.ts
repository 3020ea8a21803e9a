import { generateKeyPairSync } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Provider } from 'oidc-provider';
import * as v from 'valibot';
import { AccessJwts } from './access-jwts.ts';
import { accessTokens, Refused } from './replies.ts';
import { SalesforceStore, type StoredRecord } from './store.ts';

export interface SalesforceApp {
  readonly clientId: string;
  readonly clientSecret?: string | undefined;
  /** PEM, X.509 or SPKI: whose signatures on assertions count. */
  readonly certificates?: readonly string[] | undefined;
  /** Pre-approved usernames: who may be the `sub` of an assertion, or be chosen at the login page. */
  readonly users?: readonly string[] | undefined;
  readonly rotation?: boolean | undefined;
  readonly clientCredentialsUser?: string | undefined;
  /** An External Client App: known at the org's own host alone, as audience too. */
  readonly isExternal?: boolean | undefined;
  /** Its access tokens are JWTs that live so long, 1 to 30; opaque ones that live for a session unless given. */
  readonly jwtAccessTokenMinutes?: number | undefined;
}

/** Under this name the server is a login host, under its number the org's My Domain. */
export const LOGIN_HOST = 'localhost';

export function isSameUser(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

/** What every app of the org may do. */
export const SCOPE = 'refresh_token api web id';

/** The org's session timeout, unless an administrator sets another. */
const SESSION_SECONDS = 7200;
const CODE_SECONDS = 600;
/** Approvals of one app that one user holds: the next one revokes the oldest, and says so to nobody. */
const MOST_APPROVALS = 5;
// A refresh token of Salesforce's has no end of its own unless an administrator sets one.
const TEN_YEARS_SECONDS = 10 * 365 * 86_400;

// oidc-provider insists on a signing key for id tokens, though none are ever issued here.
const unusedSigningKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

const Tokens = v.object({ access_token: v.string(), refresh_token: v.optional(v.string()) });

interface Answer {
  /** Absent from a refusal. */
  readonly tokens: v.InferOutput<typeof Tokens> | undefined;
  /** The reason of a refusal, which oidc-provider does not always tell the client. */
  readonly detail: string;
}

/**
 * What an administrator sets up, and the part of Salesforce that oidc-provider plays: codes with PKCE, families of refresh tokens and what
 * kills them. In front of it stand the shape of requests and answers, and what it cannot do: the JWT bearer grant; the login page (its own
 * wants cookies, sessions and interactions); `userinfo` (it wants `openid`); revocation (it wants to know the client, Salesforce does not).
 */
export class SalesforceOrg {
  readonly apps = new Map<string, SalesforceApp>();
  readonly #inactiveUsers = new Set<string>();
  /** Who is logged in in the browser. */
  loggedIn: string | undefined;
  skewSeconds = 0;
  readonly usedJtis = new Set<string>();
  /** Refreshes by the family's grant. */
  readonly exchanges = new Map<string, number>();
  /** Grants of families that a second use of a token has killed. */
  readonly reused = new Set<string>();
  spentTokenUses = 0;
  readonly store: SalesforceStore;
  /** The org's own host, its My Domain. */
  readonly url: string;
  readonly #jwts = new AccessJwts();
  readonly #now: () => Date;
  readonly #provider: Provider;
  readonly #listener: ReturnType<Provider['callback']>;
  readonly #answers = new WeakMap<IncomingMessage, PromiseWithResolvers<Answer>>();
  readonly #details = new WeakMap<IncomingMessage, string>();

  constructor(url: string, now: () => Date) {
    this.url = url;
    this.#now = now;
    this.store = new SalesforceStore(this.now, (clientId) => this.apps.has(clientId));
    this.#provider = new Provider(url, {
      adapter: this.store.adapter,
      jwks: { keys: [{ ...unusedSigningKey, kty: 'EC', alg: 'ES256', use: 'sig' }] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      clientAuthMethods: ['none'],
      responseTypes: ['code'],
      scopes: SCOPE.split(' '),
      routes: { token: '/token' },
      features: { devInteractions: { enabled: false } },
      pkce: { required: () => false },
      issueRefreshToken: () => true,
      rotateRefreshToken: (ctx) => this.apps.get(ctx.oidc.client?.clientId ?? '')?.rotation === true,
      findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      formats: { bitsOfOpaqueRandomness: 576 },
      ttl: {
        AccessToken: (_ctx, token) => this.#lifeSeconds(token.clientId),
        AuthorizationCode: CODE_SECONDS,
        RefreshToken: TEN_YEARS_SECONDS,
        Grant: TEN_YEARS_SECONDS,
      },
    });
    this.#provider.silent = true;
    this.#provider.on('grant.error', (ctx, { error_detail, error_description = '' }) => {
      this.#details.set(ctx.req, error_detail ?? error_description);
    });
    this.#provider.use(async (ctx, next) => {
      const answer = this.#answers.get(ctx.req);
      ctx.respond = false;
      try {
        await next();
        if (ctx.status >= 500) throw new Error(`oidc-provider answered ${ctx.status}`);
        const tokens = ctx.status === 200 ? v.parse(Tokens, ctx.body) : undefined;
        answer?.resolve({ tokens, detail: this.#details.get(ctx.req) ?? '' });
      } catch (error) {
        answer?.reject(error);
      }
    });
    this.#listener = this.#provider.callback();
  }

  /** The server's clock, in milliseconds since the epoch. */
  readonly now = (): number => this.#now().getTime() + this.skewSeconds * 1000;

  /**
   * Puts one token request to oidc-provider without a socket: its own HTTP side would read the body a second time, and says so
   * on the console when someone else has read it.
   */
  ask(parameters: Record<string, string>): Promise<Answer> {
    const body = Buffer.from(new URLSearchParams(parameters).toString());
    const request = new IncomingMessage(new Socket());
    request.method = 'POST';
    request.url = '/token';
    request.headers = {
      host: new URL(this.url).host,
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
    };
    request.push(body);
    request.push(null);
    const answer = Promise.withResolvers<Answer>();
    this.#answers.set(request, answer);
    this.#listener(request, new ServerResponse(request));
    return answer.promise;
  }

  async authorizationCode(clientId: string, username: string, redirectUri: string, challenge?: string) {
    const pkce = challenge === undefined ? {} : { codeChallenge: challenge, codeChallengeMethod: 'S256' };
    const family = await this.#family(clientId, username);
    return new this.#provider.AuthorizationCode({ ...family, redirectUri, ...pkce }).save();
  }

  async refreshToken(clientId: string, username: string): Promise<{ refreshToken: string; accessToken: string }> {
    const family = await this.#family(clientId, username);
    const refreshToken = await new this.#provider.RefreshToken(family).save();
    const accessToken = await new this.#provider.AccessToken(family).save();
    this.limitApprovals(clientId, family.accountId);
    return { refreshToken, accessToken };
  }

  /** The app, as far as it is known at the host that was asked. */
  appAt({ hostname }: { readonly hostname: string }, clientId: string): SalesforceApp {
    const app = this.apps.get(clientId);
    if (!app) throw new Refused('CLIENT_ID');
    if (app.isExternal === true && hostname === LOGIN_HOST) throw new Refused('APP_NOT_FOUND');
    return app;
  }

  /** A user as the app's settings spell the name: Salesforce compares names without case. */
  userOf(clientId: string, given: string): string {
    return this.apps.get(clientId)?.users?.find((user) => isSameUser(user, given)) ?? given;
  }

  isInactive(username: string): boolean {
    return this.#inactiveUsers.has(username.toLowerCase());
  }

  setInactive(username: string, inactive: boolean): void {
    if (inactive) this.#inactiveUsers.add(username.toLowerCase());
    else this.#inactiveUsers.delete(username.toLowerCase());
  }

  /** An approval is a family that still has a token to refresh with. */
  limitApprovals(clientId: string, username: string): void {
    const isTheirs = ({ payload }: StoredRecord) =>
      payload.clientId === clientId && isSameUser(payload.accountId ?? '', username);
    const alive = new Set(
      this.store
        .all('RefreshToken')
        .filter((token) => isTheirs(token) && !token.consumed && this.store.live('RefreshToken', token.id))
        .map(({ payload }) => payload.grantId),
    );
    const approvals = this.store.all('Grant').filter(({ id }) => alive.has(id));
    for (const { id } of approvals.slice(0, Math.max(0, approvals.length - MOST_APPROVALS)))
      this.store.revokeWhere(({ payload }) => payload.grantId === id);
  }

  /** How an access token goes out: as a JWT where the app is set so. */
  accessTokenOut(id: string): string {
    const record = this.store.record('AccessToken', id);
    const app = this.apps.get(record?.payload.clientId ?? '');
    if (record === undefined || app?.jwtAccessTokenMinutes === undefined) return accessTokens.outward(id);
    return this.#jwts.issue(this.url, record);
  }

  /** The access token that was sent out so. */
  accessTokenIn(sent: string): StoredRecord | undefined {
    return this.store.record('AccessToken', this.#jwts.idOf(sent) ?? accessTokens.inward(sent));
  }

  #lifeSeconds(clientId: string | undefined): number {
    const minutes = this.apps.get(clientId ?? '')?.jwtAccessTokenMinutes;
    return minutes === undefined ? SESSION_SECONDS : minutes * 60;
  }

  /** For grants without a refresh token. */
  async accessToken(clientId: string, username: string): Promise<string> {
    return new this.#provider.AccessToken(await this.#family(clientId, username)).save();
  }

  /** What the tokens of a new family have in common: the grant that they all hang from, so that they die together. */
  async #family(clientId: string, given: string) {
    const username = this.userOf(clientId, given);
    const client = await this.#provider.Client.find(clientId);
    if (!client) throw new Error(`The local Salesforce has no app ${clientId}: call registerApp first.`);
    const grant = new this.#provider.Grant({ clientId, accountId: username });
    grant.addOIDCScope(SCOPE);
    const grantId = await grant.save();
    return { client, accountId: username, grantId, gty: 'authorization_code', scope: SCOPE };
  }

  isLive(record: StoredRecord): boolean {
    if (this.isInactive(record.payload.accountId ?? '')) return false;
    return !record.consumed && this.store.live(record.model, record.id) !== undefined;
  }
}
