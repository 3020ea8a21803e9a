import { generateKeyPairSync } from 'node:crypto';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { AdapterPayload } from 'oidc-provider';
import { Provider } from 'oidc-provider';
import type { SalesforceApp, SalesforceOrg } from './org.ts';

/** What every app of the org may do. Only a grant with a refresh token answers with the first. */
export const SCOPE = 'refresh_token api web id';
export const SCOPE_WITHOUT_REFRESH = 'api web id';

export interface OAuthReply {
  readonly status: number;
  readonly body: unknown;
  /** The reason of a refusal, which oidc-provider does not always tell the client. */
  readonly detail: string | undefined;
}

const CODE_SECONDS = 600;
// A refresh token of Salesforce's has no end of its own unless an administrator sets one.
const TEN_YEARS_SECONDS = 10 * 365 * 86_400;

// oidc-provider insists on a signing key for id tokens, though none are ever issued here.
const unusedSigningKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });

/**
 * The part of Salesforce that oidc-provider plays: clients and their secrets, codes with PKCE, families of refresh tokens
 * and what kills them, introspection. In front of it stand the shape of requests and answers, and what it cannot do:
 * the JWT bearer grant; the login page (its own wants cookies, sessions and interactions); `userinfo` (it wants `openid`);
 * and revocation (it wants to know the client, Salesforce does not).
 */
export class SalesforceOAuth {
  readonly url: string;
  readonly org: SalesforceOrg;
  readonly #provider: Provider;
  readonly #listener: (request: IncomingMessage, response: ServerResponse) => unknown;
  readonly #answers = new WeakMap<IncomingMessage, PromiseWithResolvers<OAuthReply>>();
  readonly #details = new WeakMap<IncomingMessage, string>();

  constructor(url: string, org: SalesforceOrg) {
    this.url = url;
    this.org = org;
    const sessionSeconds = org.options.sessionSeconds ?? 7200;
    this.#provider = new Provider(url, {
      adapter: org.store.adapter,
      jwks: { keys: [{ ...unusedSigningKey, kty: 'EC', alg: 'ES256', use: 'sig' }] },
      clientDefaults: { id_token_signed_response_alg: 'ES256' },
      clientAuthMethods: ['client_secret_post', 'none'],
      responseTypes: ['code'],
      scopes: SCOPE.split(' '),
      routes: { token: '/token', introspection: '/introspect' },
      features: {
        devInteractions: { enabled: false },
        clientCredentials: { enabled: true },
        introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
      },
      pkce: { required: () => false },
      issueRefreshToken: () => true,
      rotateRefreshToken: (ctx) => org.apps.get(ctx.oidc.client?.clientId ?? '')?.rotation === true,
      findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
      formats: { bitsOfOpaqueRandomness: 576 },
      ttl: {
        AccessToken: sessionSeconds,
        ClientCredentials: sessionSeconds,
        AuthorizationCode: CODE_SECONDS,
        RefreshToken: TEN_YEARS_SECONDS,
        Grant: TEN_YEARS_SECONDS,
      },
    });
    this.#provider.silent = true;
    this.#provider.on('grant.error', (ctx, error) => {
      if (error.error_detail !== undefined) this.#details.set(ctx.req, error.error_detail);
    });
    this.#provider.use(async (ctx, next) => {
      const answer = this.#answers.get(ctx.req);
      ctx.respond = false;
      try {
        await next();
        if (ctx.status >= 500) throw new Error(`oidc-provider answered ${ctx.status}`);
        answer?.resolve({ status: ctx.status, body: ctx.body, detail: this.#details.get(ctx.req) });
      } catch (error) {
        answer?.reject(error);
      }
    });
    this.#listener = this.#provider.callback();
  }

  /**
   * Puts one request to oidc-provider without a socket: its own HTTP side would read the body a second time, and says so
   * on the console when someone else has read it.
   */
  async ask(path: '/token' | '/introspect', parameters: Record<string, string>): Promise<OAuthReply> {
    const body = Buffer.from(new URLSearchParams(parameters).toString());
    const request = new IncomingMessage(new Socket());
    request.method = 'POST';
    request.url = path;
    request.headers = {
      host: new URL(this.url).host,
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'content-length': String(body.length),
    };
    request.push(body);
    request.push(null);
    const answer = Promise.withResolvers<OAuthReply>();
    this.#answers.set(request, answer);
    this.#listener(request, new ServerResponse(request));
    return answer.promise;
  }

  /** A new family: the grant that all its tokens hang from, so that they die together. */
  async #grant(clientId: string, username: string): Promise<string> {
    const grant = new this.#provider.Grant({ clientId, accountId: username });
    grant.addOIDCScope(SCOPE);
    return grant.save();
  }

  async authorizationCode(
    clientId: string,
    username: string,
    redirectUri: string,
    codeChallenge?: string,
  ): Promise<string> {
    const code = new this.#provider.AuthorizationCode({
      client: await this.#client(clientId),
      accountId: username,
      grantId: await this.#grant(clientId, username),
      gty: 'authorization_code',
      scope: SCOPE,
      redirectUri,
      ...(codeChallenge === undefined ? {} : { codeChallenge, codeChallengeMethod: 'S256' }),
    });
    return code.save();
  }

  async refreshToken(clientId: string, username: string): Promise<{ refreshToken: string; accessToken: string }> {
    const properties = {
      client: await this.#client(clientId),
      accountId: username,
      grantId: await this.#grant(clientId, username),
      gty: 'authorization_code',
      scope: SCOPE,
    };
    return {
      refreshToken: await new this.#provider.RefreshToken(properties).save(),
      accessToken: await new this.#provider.AccessToken(properties).save(),
    };
  }

  /** For the JWT bearer grant, which oidc-provider does not know: it would want a `client_id`, and Salesforce's callers send none. */
  async accessToken(clientId: string, username: string): Promise<string> {
    const properties = {
      client: await this.#client(clientId),
      accountId: username,
      grantId: await this.#grant(clientId, username),
      gty: 'jwt-bearer',
      scope: SCOPE,
    };
    return new this.#provider.AccessToken(properties).save();
  }

  async #client(clientId: string) {
    const client = await this.#provider.Client.find(clientId);
    if (!client) throw new Error(`The local Salesforce has no app ${clientId}: call registerApp first.`);
    return client;
  }
}

/** How oidc-provider wants to see an app. Redirect URIs are compared with what was authorised; the registered one is never used. */
export function clientMetadata(app: SalesforceApp): AdapterPayload {
  return {
    client_id: app.clientId,
    ...(app.clientSecret === undefined ? {} : { client_secret: app.clientSecret }),
    token_endpoint_auth_method: app.clientSecret === undefined ? 'none' : 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token', 'client_credentials'],
    response_types: ['code'],
    redirect_uris: ['https://unused.invalid/'],
    scope: SCOPE,
  };
}
