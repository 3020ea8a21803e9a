import * as v from 'valibot';
import { claimsSet } from './claims.ts';
import type { ClientCredentialsConnection, JwtBearerConnection, SigningKey } from './connection.ts';
import { RefreshError } from './errors.ts';
import type { AppFlow, ClientAuth, Obtained, Secrets, Signer, TokenEndpoint, Tokens } from './ports.ts';
import { Redacted } from './redacted.ts';
import type { Run } from './run.ts';

/** Life of a JWT that we exchange ourselves, at once: the shortest that Salesforce's documents speak of. */
const OWN_ASSERTION_SECONDS = 180;

/** JWT_BEARER: a JWT for AppFlow to exchange, or an access token that we exchanged one for. */
export async function obtainByJwt(
  connection: JwtBearerConnection,
  timing: { readonly intervalSeconds: number; readonly jwtLifetimeSeconds: number },
  { signer, endpoint }: { readonly signer: Signer; readonly endpoint: TokenEndpoint },
  run: Run,
): Promise<Obtained> {
  const assertion = (key: SigningKey, expiresAt: number) =>
    signer.sign(
      key,
      claimsSet({
        issuer: connection.clientId,
        subject: connection.username,
        audience: connection.audience,
        expiresAt,
      }),
      run,
    );
  const exchange = (key: SigningKey) =>
    endpoint.exchangeAssertion((now) => assertion(key, Math.floor(now / 1000) + OWN_ASSERTION_SECONDS), run);

  if (connection.handOver === 'ACCESS_TOKEN') {
    const { accessToken } = (await exchangeWithNextKey(connection, exchange, run)) ?? (await exchange(connection.key));
    return { credentials: { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken }, validUntil: null };
  }

  const lifetimeSeconds = connection.lifetimeSeconds ?? timing.jwtLifetimeSeconds;
  if (lifetimeSeconds < 2 * timing.intervalSeconds) {
    throw new RefreshError(
      'LIFETIME_TOO_SHORT',
      `The JWT of ${connection.name} would live ${lifetimeSeconds} s, and must live at least twice the refresh interval of ${timing.intervalSeconds} s.`,
      `Set lifetimeSeconds of ${connection.name} to ${2 * timing.intervalSeconds} or more, or shorten its refresh interval: AppFlow presents the JWT each time it needs an access token.`,
    );
  }
  const key =
    (await exchangeWithNextKey(connection, exchange, run)) === undefined
      ? connection.key
      : (connection.nextKey ?? connection.key);
  const expiresAt = Math.floor(run.now() / 1000) + lifetimeSeconds;
  return {
    credentials: { oAuth2GrantType: 'JWT_BEARER', jwtToken: await assertion(key, expiresAt) },
    validUntil: new Date(expiresAt * 1000),
  };
}

/** The answer to an assertion signed with the next key; `undefined` where there is none, or Salesforce does not accept it (yet). */
async function exchangeWithNextKey(
  connection: JwtBearerConnection,
  exchange: (key: SigningKey) => Promise<Tokens>,
  run: Run,
): Promise<Tokens | undefined> {
  if (connection.nextKey === undefined) return undefined;
  try {
    return await exchange(connection.nextKey);
  } catch (error) {
    // What may pass says nothing about the key.
    if (!(error instanceof RefreshError) || error.retryable) throw error;
    run.warn(
      connection.name,
      `Salesforce does not accept the next key yet: ${error.code} (${error.message}). Refreshes go on with the current one.`,
    );
    return undefined;
  }
}

/** CLIENT_CREDENTIALS: the ARN for AppFlow to use, tried first, or an access token that we fetched with its secret. */
export async function obtainByClientCredentials(
  connection: ClientCredentialsConnection,
  intervalSeconds: number,
  {
    appflow,
    secrets,
    endpoint,
  }: {
    readonly appflow: Pick<AppFlow, 'supportedGrants'>;
    readonly secrets: Secrets;
    readonly endpoint: TokenEndpoint;
  },
  run: Run,
): Promise<Obtained> {
  const { clientCredentialsArn } = connection;
  if (connection.handOver === 'CLIENT_CREDENTIALS_ARN') {
    const supported = await appflow.supportedGrants(run);
    if (supported?.has('CLIENT_CREDENTIALS') !== true) {
      throw new RefreshError(
        'GRANT_UNSUPPORTED',
        'AppFlow does not list CLIENT_CREDENTIALS for Salesforce in this account and Region.',
        `Set "handOver": "ACCESS_TOKEN" in the secret of ${connection.name}: the access token is then fetched here and handed over.`,
      );
    }
  }
  const client = await clientFrom(connection.name, clientCredentialsArn, secrets, run);
  // Also where AppFlow is given the ARN: a secret that does not work must never replace one that did.
  const { accessToken } = await endpoint.exchangeClientCredentials(client, run);
  if (connection.handOver === 'CLIENT_CREDENTIALS_ARN') {
    return { credentials: { oAuth2GrantType: 'CLIENT_CREDENTIALS', clientCredentialsArn }, validUntil: null };
  }
  const validUntil = await endpoint.expiryOf(client, accessToken, run);
  checkAccessTokenLife(connection.name, validUntil, intervalSeconds, run);
  return { credentials: { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken }, validUntil };
}

const ClientSecret = v.object({
  clientId: v.pipe(v.string(), v.minLength(1)),
  clientSecret: v.pipe(v.string(), v.minLength(1)),
});

/** Reads the secret `{"clientId", "clientSecret"}` that AppFlow reads too. */
export async function clientFrom(
  connection: string,
  arn: string,
  secrets: Secrets,
  run: Run,
): Promise<ClientAuth & { readonly clientSecret: Redacted }> {
  const { value } = await secrets.value(arn, run);
  let parsed: unknown;
  try {
    parsed = JSON.parse(value.reveal());
  } catch {
    parsed = undefined;
  }
  const result = v.safeParse(ClientSecret, parsed);
  if (result.success)
    return { clientId: result.output.clientId, clientSecret: new Redacted(result.output.clientSecret) };
  throw new RefreshError(
    'SECRET_MALFORMED',
    'The secret of clientCredentialsArn is not a JSON object with the strings clientId and clientSecret.',
    `Store {"clientId": …, "clientSecret": …} in the secret that clientCredentialsArn of ${connection} names.`,
  );
}

/** @throws RefreshError `LIFETIME_TOO_SHORT` where the access token is known to end before the next refresh */
export function checkAccessTokenLife(
  connection: string,
  validUntil: Date | null,
  intervalSeconds: number,
  run: Run,
): void {
  if (validUntil === null || outlivesInterval(validUntil, intervalSeconds, run)) return;
  const seconds = Math.floor((validUntil.getTime() - run.now()) / 1000);
  throw new RefreshError(
    'LIFETIME_TOO_SHORT',
    `The access token of ${connection} lives ${seconds} s, and the next refresh comes after ${intervalSeconds} s.`,
    `Lengthen the session timeout of the connected app or of the integration user's profile, or set the tag refresh-interval-seconds of ${connection} to ${seconds} or less.`,
  );
}

/** Whether a token lasts until the next refresh; one whose end nobody knows is taken to. */
export function outlivesInterval(validUntil: Date | null, intervalSeconds: number, run: Run): boolean {
  return validUntil === null || Math.floor((validUntil.getTime() - run.now()) / 1000) >= intervalSeconds;
}
