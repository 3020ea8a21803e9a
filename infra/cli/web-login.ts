import * as oauth from 'oauth4webapi';
import * as v from 'valibot';
import { readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
import { jsonOf } from '../../functions/adapters/salesforce-reply.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { ClientAuth } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { tokenMissing } from '../../functions/core/token-rotation/token-record.ts';
import { openPage } from './browser.ts';
import { type Arrival, finish, listen, loopback } from './loopback.ts';
import { note, paint } from './output.ts';
import type { Session } from './session.ts';
import { TokenInHand } from './token-in-hand.ts';

export interface WebLogin {
  readonly connection: string;
  readonly secretName: string;
  /** One of LOGIN_HOSTS: checked by the parser. */
  readonly loginUrl: string;
  readonly client: ClientAuth;
  readonly redirectUri: string;
  readonly timeoutSeconds: number;
  /** Who should log in; anybody else is refused. */
  readonly user: string | undefined;
  readonly opensBrowser: boolean;
}

export interface LoggedIn {
  readonly refreshToken: Redacted;
  /** Who logged in; `undefined` where Salesforce does not say. */
  readonly user: string | undefined;
  /** Where the token works: the host of the org. */
  readonly instance: string | undefined;
  /** To be stored or revoked. */
  readonly token: TokenInHand;
}

const TokenResponse = v.object({
  access_token: v.pipe(v.string(), v.minLength(1)),
  refresh_token: v.optional(v.pipe(v.string(), v.minLength(1))),
  instance_url: v.optional(v.string()),
});
const ErrorResponse = v.object({ error: v.string(), error_description: v.optional(v.string()) });
/** A username of Salesforce's has at most 80 characters. */
const UserInfo = v.object({ preferred_username: v.pipe(v.string(), v.minLength(1), v.maxLength(80)) });

/** The app at the one host that anything is sent to. */
interface Endpoints {
  readonly server: oauth.AuthorizationServer;
  readonly client: oauth.Client;
}

/**
 * A person logs in to Salesforce in a browser and approves the app: authorization code with PKCE (RFC 7636) and state over a loopback
 * redirect (RFC 8252 section 7.3). The code is exchanged here, at once, and Salesforce is asked whose token came.
 *
 * @throws RefreshError `INPUT_INVALID`, `SALESFORCE_REFUSED`, `SALESFORCE_UNAVAILABLE`, `SALESFORCE_REPLY_UNREADABLE`, `OUT_OF_TIME`: then
 * no token is left alive
 */
export async function logIn(login: WebLogin, newRun: Session['run']): Promise<LoggedIn> {
  const redirect = loopback(login.redirectUri);
  const url = (path: string) => `${login.loginUrl}/services/oauth2/${path}`;
  const server = { issuer: login.loginUrl, token_endpoint: url('token'), userinfo_endpoint: url('userinfo') };
  const endpoints = { server, client: { client_id: login.client.clientId } };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const page = new URL(url('authorize'));
  page.search = new URLSearchParams({
    response_type: 'code',
    client_id: login.client.clientId,
    redirect_uri: login.redirectUri,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    // Whoever sits here is logged in as themselves: ask for the integration user.
    prompt: 'login',
    ...(login.user === undefined ? {} : { login_hint: login.user }),
  }).toString();

  const browser = await listen(redirect, state);
  try {
    const { response, query } = await within(login, page, browser.arrival);
    try {
      const parameters = authorizationResponse(endpoints, query, state);
      const token = new TokenInHand(url('revoke'), newRun);
      const loggedIn = await obtain(login, endpoints, token, (options) =>
        oauth.authorizationCodeGrantRequest(
          server,
          endpoints.client,
          authentication(login.client),
          parameters,
          login.redirectUri,
          verifier,
          options,
        ),
      );
      await finish(response, 200, 'Salesforce has logged you in. Close this window and go back to the terminal.');
      return loggedIn;
    } catch (error) {
      await finish(response, 400, 'It did not work: the terminal says why.');
      throw error;
    }
  } finally {
    browser.close();
  }
}

function authorizationResponse({ server, client }: Endpoints, query: URLSearchParams, state: string): URLSearchParams {
  // The library would judge whatever else a browser brought along.
  const known = new URLSearchParams([...query].filter(([name]) => ['code', 'error', 'state'].includes(name)));
  try {
    return oauth.validateAuthResponse(server, client, known, state);
  } catch (error) {
    if (!(error instanceof oauth.AuthorizationResponseError)) throw error;
    // The code of RFC 6749 section 4.1.2.1, or one of Salesforce's own in capitals.
    const code = /^[A-Za-z_]{1,40}$/.test(error.error) ? error.error : 'an unreadable error';
    throw new RefreshError(
      'SALESFORCE_REFUSED',
      `Salesforce did not authorise the app: ${code}.`,
      'Log in as the integration user, who must be allowed to use the app, and approve it. Nothing was changed.',
    );
  }
}

async function show(page: URL, { opensBrowser, redirectUri, timeoutSeconds }: WebLogin): Promise<Disposable> {
  note`Log in to Salesforce as the integration user, and approve the app:`;
  note`\n  ${paint('bold', page.href)}\n`;
  note`Waiting ${timeoutSeconds} s for the browser at ${redirectUri} (the app's callback URLs must list it) …`;
  if (!opensBrowser || !process.stderr.isTTY) return { [Symbol.dispose]: () => undefined };
  return openPage(page);
}

async function within(login: WebLogin, page: URL, arrival: Promise<Arrival>): Promise<Arrival> {
  const { timeoutSeconds, redirectUri } = login;
  using _page = await show(page, login);
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => {
    late.reject(
      new RefreshError(
        'OUT_OF_TIME',
        `Nobody came back from Salesforce within ${timeoutSeconds} s. Nothing was changed.`,
        `Run it again. If Salesforce said redirect_uri_mismatch, add ${redirectUri} to the callback URLs of the app first.`,
      ),
    );
  }, timeoutSeconds * 1000);
  try {
    return await Promise.race([arrival, late.promise]);
  } finally {
    clearTimeout(timer);
  }
}

function authentication({ clientSecret }: ClientAuth): oauth.ClientAuth {
  return clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret.reveal());
}

interface RequestOptions {
  readonly signal: () => AbortSignal;
  readonly [oauth.allowInsecureRequests]: boolean;
}

async function obtain(
  login: WebLogin,
  { server, client }: Endpoints,
  token: TokenInHand,
  exchange: (options: RequestOptions) => Promise<Response>,
): Promise<LoggedIn> {
  const options: RequestOptions = {
    signal: () => AbortSignal.timeout(15_000),
    // Plain http got here only through an entry of LOGIN_HOSTS, which admits loopback alone.
    [oauth.allowInsecureRequests]: login.loginUrl.startsWith('http:'),
  };
  const tokens = await token.takeFrom(
    async () => readTokens(login, ...(await answer(login.loginUrl, () => exchange(options)))),
    ({ accessToken, refreshToken }) => refreshToken ?? accessToken,
  );
  return token.during(async () => {
    const { accessToken, refreshToken, instance } = tokens;
    if (refreshToken === undefined) throw tokenMissing('refresh', login.secretName);
    const [, userInfo] = await answer(login.loginUrl, () =>
      oauth.userInfoRequest(server, client, accessToken.reveal(), options),
    );
    const parsed = v.safeParse(UserInfo, userInfo);
    const user = parsed.success ? parsed.output.preferred_username : undefined;
    if (login.user !== undefined && !isSameUser(user, login.user)) throw otherUser(user, login.user);
    return { refreshToken, user, instance, token };
  });
}

function readTokens({ connection, secretName, loginUrl }: WebLogin, status: number, body: unknown) {
  const tokens = v.safeParse(TokenResponse, body);
  if (status === 200 && tokens.success) {
    const { access_token, refresh_token, instance_url = '' } = tokens.output;
    return {
      accessToken: new Redacted(access_token),
      refreshToken: refresh_token === undefined ? undefined : new Redacted(refresh_token),
      instance: URL.parse(instance_url)?.host,
    };
  }
  const said = v.safeParse(ErrorResponse, body);
  if (!said.success && status < 500 && status !== 429) {
    throw new RefreshError(
      'SALESFORCE_REPLY_UNREADABLE',
      `${loginUrl} answered HTTP ${status} with neither a token nor an OAuth error.`,
      `Check that loginUrl in ${secretName} is the login host of an org, not a site or a proxy. Nothing was stored.`,
    );
  }
  const { error, error_description: description } = said.success ? said.output : {};
  const names = { connection, secret: secretName };
  const { kind, message, advice } = readRefusal({ error, description, status }, false, names);
  throw new RefreshError(kind === 'later' ? 'SALESFORCE_UNAVAILABLE' : 'SALESFORCE_REFUSED', message, advice);
}

/** Salesforce compares without case. Of other letters than ASCII's, two may have the same small one. */
function isSameUser(user: string | undefined, wanted: string): boolean {
  const small = (name: string) => name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return user !== undefined && small(user) === small(wanted);
}

function otherUser(user: string | undefined, wanted: string): RefreshError {
  return new RefreshError(
    'SALESFORCE_REFUSED',
    user === undefined ? 'Salesforce does not say who logged in.' : `${user} logged in, not ${wanted}.`,
    `Log out of Salesforce in that browser and run it again as ${wanted}. Nothing was stored.`,
  );
}

/** The status and the body, as far as it is JSON and no longer than any answer of Salesforce's. */
async function answer(loginUrl: string, send: () => Promise<Response>): Promise<[number, unknown]> {
  try {
    const response = await send();
    return [response.status, await jsonOf(response)];
  } catch (error) {
    throw new RefreshError(
      'SALESFORCE_UNAVAILABLE',
      `${loginUrl} gave no answer.`,
      'Nothing was stored. Run it again: a code works once.',
      error,
    );
  }
}
