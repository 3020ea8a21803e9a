import * as oauth from 'oauth4webapi';
import { outOfTime, RefreshError, Unanswered } from '../core/errors.ts';
import type { AccessToken, ClientAuth, Salesforce, TokenEndpoint, Tokens } from '../core/ports.ts';
import type { Redacted } from '../core/redacted.ts';
import { withRetries } from '../core/retry.ts';
import { REQUEST_TIMEOUT_MS, type Run } from '../core/run.ts';
import { publicName } from '../core/wording.ts';
import { isUnanswered } from './aws-call.ts';
import { type Asked, accessTokenIn, isForNow, issuedIn, Refused, redirected } from './salesforce-outcome.ts';
import { isTrouble, type Refusal, readRefusal } from './salesforce-refusal.ts';
import { errorOf, introspectedEnd, isIntrospectedActive, type Reply, readReply } from './salesforce-reply.ts';

/** RFC 7523 section 2.1. */
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
/** Milliseconds by which the clocks may differ before it is worth a warning. */
const SKEW = 30_000;
/** Milliseconds by which a JWT's times are corrected at most. */
const MOST_CORRECTION = 600_000;

/**
 * Salesforce's OAuth endpoints over HTTP. No redirect is followed: a token goes to no host but the one that was checked. The OAuth library makes
 * the requests alone: it would refuse a response for a member that nobody here uses, such as an `id_token` of another issuer, and with it a token
 * that another was spent for.
 */
export const salesforceAdapter: Salesforce = {
  tokenEndpoint: ({ name, loginUrl }, secretName) => new Endpoint(name, loginUrl, secretName),
};

class Endpoint implements TokenEndpoint {
  readonly #connection: string;
  readonly #secretName: string;
  readonly #server: oauth.AuthorizationServer;
  readonly #isLoopback: boolean;

  constructor(connection: string, loginUrl: string, secretName: string) {
    this.#connection = connection;
    this.#secretName = secretName;
    const url = (path: string) => `${loginUrl}/services/oauth2/${path}`;
    this.#server = {
      issuer: loginUrl,
      token_endpoint: url('token'),
      introspection_endpoint: url('introspect'),
      userinfo_endpoint: url('userinfo'),
    };
    // Plain http got here only through an entry of LOGIN_HOSTS, which admits loopback alone.
    this.#isLoopback = loginUrl.startsWith('http:');
  }

  async exchangeAssertion(sign: (now: number) => Promise<Redacted>, run: Run): Promise<AccessToken> {
    const attempt = async (now: number) => {
      const assertion = await sign(now);
      return this.#reply(true, run, accessTokenIn, (options) =>
        oauth.genericTokenEndpointRequest(
          this.#server,
          NO_CLIENT,
          noClientAuthentication,
          JWT_BEARER,
          { assertion: assertion.reveal() },
          options,
        ),
      );
    };
    const patiently = (clock: () => number) => withRetries(run, () => attempt(clock()), isWorthRetrying);
    try {
      return await patiently(() => run.now()).catch((error: unknown) => {
        if (!(error instanceof Refused) || error.refusal.kind !== 'assertion-expired') throw error;
        const difference = (error.serverNow ?? run.now()) - run.now();
        // Whoever answers could otherwise have us sign for any time.
        const offset = Math.max(-MOST_CORRECTION, Math.min(MOST_CORRECTION, difference));
        if (Math.abs(difference) > SKEW)
          run.warn(
            this.#connection,
            `The clock here is off by ${Math.round(-difference / 1000)} s against Salesforce's: the JWT was signed anew, its times corrected by ${Math.round(Math.abs(offset) / 1000)} s.`,
          );
        return patiently(() => run.now() + offset);
      });
    } catch (error) {
      throw this.#translated(error, run);
    }
  }

  exchangeRefreshToken(client: ClientAuth, refreshToken: Redacted, run: Run): Promise<Tokens> {
    return this.#once(run, (options) =>
      oauth.refreshTokenGrantRequest(
        this.#server,
        { client_id: client.clientId },
        authentication(client),
        refreshToken.reveal(),
        options,
      ),
    );
  }

  exchangeCode(client: ClientAuth, code: Redacted, redirectUri: string, run: Run): Promise<Tokens> {
    // The library's own call for this grant wants the redirect's query, which we never saw.
    const parameters = { code: code.reveal(), redirect_uri: redirectUri };
    return this.#once(run, (options) =>
      oauth.genericTokenEndpointRequest(
        this.#server,
        { client_id: client.clientId },
        authentication(client),
        'authorization_code',
        parameters,
        options,
      ),
    );
  }

  async exchangeClientCredentials(client: ClientAuth, run: Run): Promise<AccessToken> {
    const attempt = () =>
      this.#reply(false, run, accessTokenIn, (options) =>
        oauth.clientCredentialsGrantRequest(
          this.#server,
          { client_id: client.clientId },
          authentication(client),
          {},
          options,
        ),
      );
    try {
      return await withRetries(run, attempt, isWorthRetrying);
    } catch (error) {
      throw this.#translated(error, run);
    }
  }

  async expiryOf(client: ClientAuth, accessToken: Redacted, run: Run): Promise<Date | null> {
    try {
      const response = await oauth.introspectionRequest(
        this.#server,
        { client_id: client.clientId },
        authentication(client),
        accessToken.reveal(),
        this.#options(run),
      );
      const reply = await readReply(response);
      const end = introspectedEnd(reply);
      if (end !== undefined) return end;
      const onward = reply.leadsTo?.isElsewhere === true ? `, which points to ${reply.leadsTo.host}` : '';
      run.warn(
        this.#connection,
        `Salesforce does not say when the access token ends (introspection: HTTP ${reply.status}${onward}).`,
      );
    } catch (error) {
      if (!isFetchError(error)) throw error;
      run.warn(this.#connection, 'Salesforce does not say when the access token ends (introspection got no answer).');
    }
    return null;
  }

  async isActive(client: ClientAuth, refreshToken: Redacted, run: Run): Promise<boolean | undefined> {
    const attempt = async () => {
      const response = await oauth.introspectionRequest(
        this.#server,
        { client_id: client.clientId },
        authentication(client),
        refreshToken.reveal(),
        { ...this.#options(run), additionalParameters: { token_type_hint: 'refresh_token' } },
      );
      const reply = await readReply(response);
      const said = errorOf(reply);
      const isAboutClient = said !== undefined && /^invalid_client(_id|_credentials)?$/.test(said.error);
      // Anything else, such as an org that offers no introspection, says nothing about the token.
      if (!isAboutClient && !isTrouble(reply.status)) return isIntrospectedActive(reply);
      const names = { connection: this.#connection, secret: this.#secretName };
      throw new Refused(readRefusal({ ...said, status: reply.status }, false, names), reply);
    };
    try {
      return await withRetries(run, attempt, isWorthRetrying);
    } catch (error) {
      throw this.#translated(error, run);
    }
  }

  async tryAccessToken(accessToken: Redacted, run: Run): Promise<void> {
    const attempt = async () => {
      const response = await oauth.userInfoRequest(this.#server, NO_CLIENT, accessToken.reveal(), this.#options(run));
      if (response.status === 200) return void (await response.body?.cancel());
      const reply = await readReply(response);
      throw redirected(reply, this.#asked(false, run)) ?? new Refused(this.#deadOrLater(reply), reply);
    };
    try {
      await withRetries(run, attempt, isWorthRetrying);
    } catch (error) {
      throw this.#translated(error, run);
    }
  }

  /** For tokens that may be spent by the first request: asked again only where Salesforce says that it has not decided. */
  async #once(run: Run, request: (options: oauth.TokenEndpointRequestOptions) => Promise<Response>): Promise<Tokens> {
    try {
      return await withRetries(
        run,
        () => this.#reply(false, run, issuedIn, request),
        (error) => error instanceof Refused && error.refusal.kind === 'being-processed',
      );
    } catch (error) {
      const translated = this.#translated(error, run, true);
      throw translated instanceof RefreshError && isUndecided(error) ? Unanswered.of(translated) : translated;
    }
  }

  async #reply<T>(
    isAssertion: boolean,
    run: Run,
    read: (reply: Reply, asked: Asked) => T,
    request: (options: oauth.TokenEndpointRequestOptions) => Promise<Response>,
  ): Promise<T> {
    const asked = this.#asked(isAssertion, run);
    return read(await readReply(await request(this.#options(run))), asked);
  }

  #asked(isAssertion: boolean, run: Run): Asked {
    const loginUrl = this.#server.issuer;
    return { connection: this.#connection, secretName: this.#secretName, loginUrl, isAssertion, at: run.now() };
  }

  /** What it means that `userinfo` took an access token for none. */
  #deadOrLater(reply: Reply): Refusal {
    const { status } = reply;
    return {
      kind: isForNow(reply) ? 'later' : 'terminal',
      message: `userinfo answered HTTP ${status} to the new access token.`,
      advice: `Check the scopes of the connected app of ${this.#connection}, and that its user may use the API.`,
      wantsAuthorization: false,
    };
  }

  #options(
    run: Run,
  ): oauth.TokenEndpointRequestOptions & oauth.UserInfoRequestOptions & oauth.IntrospectionRequestOptions {
    return {
      signal: () => AbortSignal.any([run.signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]),
      [oauth.allowInsecureRequests]: this.#isLoopback,
    };
  }

  /** @param isSpending whether a refresh token or code was sent, which an unanswered request may have spent */
  #translated(error: unknown, run: Run, isSpending = false): unknown {
    if (error instanceof Refused) {
      const { kind, message, advice: text, wantsAuthorization } = error.refusal;
      const command = { name: 'authorize', connection: this.#connection } as const;
      return new RefreshError(
        kind === 'terminal' || kind === 'assertion-expired' ? 'SALESFORCE_REFUSED' : 'SALESFORCE_UNAVAILABLE',
        message,
        // Only where a token or code was sent can a person give us another.
        { kind: 'do', text, ...(isSpending && wantsAuthorization ? { command } : {}) },
      );
    }
    if (!isFetchError(error)) return error;
    if (run.signal.aborted) {
      return outOfTime(
        `a request to ${this.#server.issuer}${isSpending ? ', which may have spent the refresh token' : ''}`,
        error,
      );
    }
    const unknown = isSpending
      ? ' Whether Salesforce took the request is not known, so it was not repeated in this run.'
      : '';
    return new RefreshError(
      'SALESFORCE_UNAVAILABLE',
      `${this.#server.issuer} gave no answer (${networkReason(error)}).${unknown}`,
      { kind: 'wait', ifItDoes: 'See status.salesforce.com, and the network that the functions use.' },
      error,
    );
  }
}

/** The library wants a client even where the request names none. */
const NO_CLIENT: oauth.Client = { client_id: 'none' };

/** RFC 7523 needs no client authentication beside the assertion, and Salesforce expects no `client_id`. */
const noClientAuthentication: oauth.ClientAuth = () => {
  // Nothing is added to the request.
};

function authentication({ clientSecret }: ClientAuth): oauth.ClientAuth {
  return clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret.reveal());
}

function isWorthRetrying(error: unknown): boolean {
  if (error instanceof Refused) return error.refusal.kind === 'later' || error.refusal.kind === 'being-processed';
  return isFetchError(error);
}

/** Whether the token or code that was sent may be spent, or still be on its way. */
function isUndecided(error: unknown): boolean {
  return error instanceof Refused ? error.isGateway : isUnanswered(error);
}

/** `fetch` throws a TypeError whose cause is the socket's error, or the abort's DOMException. */
function isFetchError(error: unknown): error is Error {
  if (error instanceof DOMException) return error.name === 'TimeoutError' || error.name === 'AbortError';
  return error instanceof TypeError && error.cause instanceof Error;
}

function networkReason(error: Error): string {
  const inner = error.cause instanceof Error ? error.cause : error;
  return publicName('code' in inner && typeof inner.code === 'string' ? inner.code : inner.name);
}
