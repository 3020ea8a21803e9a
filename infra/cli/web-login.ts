import * as oauth from 'oauth4webapi';
import { type Asked, isForNow, issuedIn, Refused } from '../../functions/adapters/salesforce-outcome.ts';
import { type Refusal, readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
import { type Reply, readReply, textIn } from '../../functions/adapters/salesforce-reply.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { ClientAuth } from '../../functions/core/ports.ts';
import type { Redacted } from '../../functions/core/redacted.ts';
import { withRetries } from '../../functions/core/retry.ts';
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

/** Characters of a username of Salesforce's at most. */
const LONGEST_USERNAME = 80;

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
      const parameters = authorizationResponse(endpoints, query, state, login);
      const token = new TokenInHand(url('revoke'), newRun);
      const loggedIn = await obtain(login, endpoints, { token, newRun }, (options) =>
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

function authorizationResponse(
  { server, client }: Endpoints,
  query: URLSearchParams,
  state: string,
  login: WebLogin,
): URLSearchParams {
  // The library would judge whatever else a browser brought along.
  const known = new URLSearchParams([...query].filter(([name]) => ['code', 'error', 'state'].includes(name)));
  try {
    return oauth.validateAuthResponse(server, client, known, state);
  } catch (error) {
    if (!(error instanceof oauth.AuthorizationResponseError)) throw error;
    // RFC 6749 section 4.1.2.1.
    const said = { error: error.error, description: query.get('error_description') ?? undefined };
    const { kind, message, advice } = readRefusal(said, false, namesOf(login));
    throw new RefreshError(
      codeOf(kind),
      `Salesforce did not authorise the app: ${message}`,
      `${advice} Then run it again: nothing was changed.`,
    );
  }
}

function namesOf({ connection, secretName: secret }: WebLogin) {
  return { connection, secret };
}

function codeOf(kind: Refusal['kind']) {
  return kind === 'later' || kind === 'being-processed' ? 'SALESFORCE_UNAVAILABLE' : 'SALESFORCE_REFUSED';
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
  { token, newRun }: { readonly token: TokenInHand; readonly newRun: Session['run'] },
  exchange: (options: RequestOptions) => Promise<Response>,
): Promise<LoggedIn> {
  const options: RequestOptions = {
    signal: () => AbortSignal.timeout(15_000),
    // Plain http got here only through an entry of LOGIN_HOSTS, which admits loopback alone.
    [oauth.allowInsecureRequests]: login.loginUrl.startsWith('http:'),
  };
  const tokens = await token.takeFrom(
    async () => readTokens(login, await answer(login.loginUrl, () => exchange(options))),
    ({ accessToken, refreshToken }) => refreshToken ?? accessToken,
  );
  return token.during(async () => {
    const { refreshToken, instance } = tokens;
    if (refreshToken === undefined) throw tokenMissing('refresh', login.secretName);
    let { accessToken } = tokens;
    let kept = refreshToken;
    if (accessToken === undefined) {
      // The code is spent, and the refresh token that it brought is as good.
      const reply = await answer(login.loginUrl, () =>
        oauth.refreshTokenGrantRequest(server, client, authentication(login.client), refreshToken.reveal(), options),
      );
      const again = readTokens(login, reply);
      accessToken = again.accessToken;
      kept = again.refreshToken ?? kept;
      token.becomes(kept);
    }
    if (accessToken === undefined) throw tokenMissing('access', login.secretName);
    const user = await userOf(accessToken, { login, newRun }, (sent) =>
      oauth.userInfoRequest(server, client, sent.reveal(), options),
    );
    if (login.user !== undefined && !isSameUser(user, login.user)) throw otherUser(user, login.user);
    return { refreshToken: kept, user, instance, token };
  });
}

/** Whose token it is; asked until Salesforce has time, since an approval would be lost for an outage of a second. */
async function userOf(
  accessToken: Redacted,
  { login, newRun }: { readonly login: WebLogin; readonly newRun: Session['run'] },
  ask: (accessToken: Redacted) => Promise<Response>,
): Promise<string | undefined> {
  const attempt = async () => {
    const reply = await answer(login.loginUrl, () => ask(accessToken));
    if (reply.status !== 200 && isForNow(reply)) throw noAnswer(login.loginUrl);
    const user = reply.status === 200 ? textIn(reply, 'preferred_username') : undefined;
    return user !== undefined && user.length <= LONGEST_USERNAME ? user : undefined;
  };
  return withRetries(newRun(), attempt, (error) => error instanceof RefreshError && error.retryable);
}

function readTokens(login: WebLogin, reply: Reply) {
  const { connection, secretName, loginUrl } = login;
  const asked: Asked = { connection, secretName, loginUrl, isAssertion: false, at: 0 };
  try {
    const { accessToken, refreshToken } = issuedIn(reply, asked);
    return { accessToken, refreshToken, instance: URL.parse(textIn(reply, 'instance_url') ?? '')?.host };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { kind, message, advice } = error.refusal;
    throw new RefreshError(codeOf(kind), message, advice);
  }
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

async function answer(loginUrl: string, send: () => Promise<Response>): Promise<Reply> {
  try {
    return await readReply(await send());
  } catch (error) {
    throw noAnswer(loginUrl, error);
  }
}

function noAnswer(loginUrl: string, cause?: unknown): RefreshError {
  return new RefreshError(
    'SALESFORCE_UNAVAILABLE',
    `${loginUrl} gave no answer.`,
    'Nothing was stored. Run it again: a code works once.',
    cause,
  );
}
