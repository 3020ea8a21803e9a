import * as oauth from 'oauth4webapi';
import * as v from 'valibot';
import { readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { ClientAuth } from '../../functions/core/ports.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { tokenMissing } from '../../functions/core/token-rotation/token-record.ts';
import { type Arrival, finish, listen, loopback } from './loopback.ts';
import { note, paint } from './output.ts';

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
}

const TokenResponse = v.object({ access_token: v.string(), refresh_token: v.optional(v.string()) });
const ErrorResponse = v.object({ error: v.string(), error_description: v.optional(v.string()) });
const UserInfo = v.object({ preferred_username: v.string() });

/**
 * A person logs in to Salesforce in a browser and approves the app: authorization code with PKCE (RFC 7636) and state over a loopback
 * redirect (RFC 8252 section 7.3). The code is exchanged here, at once; nothing but the refresh token is kept.
 *
 * @throws RefreshError `INPUT_INVALID`, `SALESFORCE_REFUSED`, `SALESFORCE_UNAVAILABLE`, `OUT_OF_TIME`
 */
export async function logIn(login: WebLogin): Promise<LoggedIn> {
  const redirect = loopback(login.redirectUri);
  const url = (path: string) => `${login.loginUrl}/services/oauth2/${path}`;
  const server = { issuer: login.loginUrl, token_endpoint: url('token'), userinfo_endpoint: url('userinfo') };
  const client = { client_id: login.client.clientId };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const page = new URL(url('authorize'));
  page.search = new URLSearchParams({
    response_type: 'code',
    client_id: client.client_id,
    redirect_uri: login.redirectUri,
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
    // Whoever sits here is logged in as themselves: ask for the integration user.
    prompt: 'login',
    ...(login.user === undefined ? {} : { login_hint: login.user }),
  }).toString();

  const arrival = await listen(redirect, (query) => authorizationResponse(server, client, query, state));
  try {
    await show(page, login);
    const { response, callback } = await within(login, arrival.response);
    try {
      const loggedIn = await exchange(login, server, client, callback, verifier);
      finish(response, 200, 'Done: you can close this window and go back to the terminal.');
      return loggedIn;
    } catch (error) {
      finish(response, 400, 'It did not work: the terminal says why.');
      throw error;
    }
  } finally {
    arrival.close();
  }
}

function authorizationResponse(
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  query: URLSearchParams,
  state: string,
): URLSearchParams | RefreshError | undefined {
  try {
    return oauth.validateAuthResponse(server, client, query, state);
  } catch (error) {
    if (!(error instanceof oauth.AuthorizationResponseError)) return undefined;
    // The code of RFC 6749 section 4.1.2.1 alone; the description is whatever the browser brought.
    const code = /^[a-z_]{1,40}$/.test(error.error) ? error.error : 'an unreadable error';
    return new RefreshError(
      'SALESFORCE_REFUSED',
      `Salesforce did not authorise the app: ${code}.`,
      'Log in as the integration user, who must be allowed to use the app, and approve it. Nothing was changed.',
    );
  }
}

async function show(page: URL, { opensBrowser, redirectUri, timeoutSeconds }: WebLogin): Promise<void> {
  note('Log in to Salesforce as the integration user, and approve the app:');
  note(`\n  ${paint('bold', page.href, process.stderr)}\n`);
  note(`Waiting ${timeoutSeconds} s for the browser at ${redirectUri} (the app's callback URLs must list it) …`);
  if (!opensBrowser || !process.stderr.isTTY) return;
  try {
    const { default: open } = await import('open');
    // A machine without a browser: the address stands above.
    (await open(page.href)).once('error', () => undefined);
  } catch {
    note('No browser could be opened here: open that address in one on this machine.');
  }
}

async function within({ timeoutSeconds, redirectUri }: WebLogin, arrival: Promise<Arrival>): Promise<Arrival> {
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

async function exchange(
  login: WebLogin,
  server: oauth.AuthorizationServer,
  client: oauth.Client,
  callback: URLSearchParams,
  verifier: string,
): Promise<LoggedIn> {
  const { clientSecret } = login.client;
  const authentication = clientSecret === undefined ? oauth.None() : oauth.ClientSecretPost(clientSecret.reveal());
  const options = {
    signal: () => AbortSignal.timeout(15_000),
    // Plain http got here only through an entry of LOGIN_HOSTS, which admits loopback alone.
    [oauth.allowInsecureRequests]: login.loginUrl.startsWith('http:'),
  };
  const { redirectUri, secretName, connection } = login;
  const response = await answer(login.loginUrl, () =>
    oauth.authorizationCodeGrantRequest(server, client, authentication, callback, redirectUri, verifier, options),
  );
  const body = await json(response);
  const tokens = v.safeParse(TokenResponse, body);
  if (response.status !== 200 || !tokens.success) {
    const said = v.safeParse(ErrorResponse, body);
    const { error, error_description: description } = said.success ? said.output : {};
    const names = { connection, secret: secretName };
    const { kind, message, advice } = readRefusal({ error, description, status: response.status }, false, names);
    throw new RefreshError(kind === 'later' ? 'SALESFORCE_UNAVAILABLE' : 'SALESFORCE_REFUSED', message, advice);
  }
  if (tokens.output.refresh_token === undefined) throw tokenMissing('refresh', secretName);
  const userInfo = await answer(login.loginUrl, () =>
    oauth.userInfoRequest(server, client, tokens.output.access_token, options),
  );
  const user = v.safeParse(UserInfo, await json(userInfo));
  const name = user.success ? user.output.preferred_username : undefined;
  if (login.user !== undefined && name !== login.user) {
    throw new RefreshError(
      'SALESFORCE_REFUSED',
      name === undefined ? 'Salesforce does not say who logged in.' : `${name} logged in, not ${login.user}.`,
      `Log out of Salesforce in that browser and run it again as ${login.user}. Nothing was stored.`,
    );
  }
  return { refreshToken: new Redacted(tokens.output.refresh_token), user: name };
}

async function answer(loginUrl: string, send: () => Promise<Response>): Promise<Response> {
  try {
    return await send();
  } catch (error) {
    throw new RefreshError(
      'SALESFORCE_UNAVAILABLE',
      `${loginUrl} gave no answer.`,
      'Nothing was stored. Run it again: a code works once.',
      error,
    );
  }
}

async function json(response: Response): Promise<unknown> {
  try {
    return JSON.parse(await response.text());
  } catch {
    return undefined;
  }
}
