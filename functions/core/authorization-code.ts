import type { RotationPorts } from './claim-held.ts';
import type { AuthorizationCodeConnection } from './connection.ts';
import { type Credentials, checkLimits } from './credentials.ts';
import { CredentialsRefused, RefreshError } from './errors.ts';
import { checkAccessTokenLife, clientFrom, outlivesInterval } from './obtain.ts';
import type { ClientAuth, Secrets, TokenEndpoint } from './ports.ts';
import type { Redacted } from './redacted.ts';
import { checkInterval, type Demand, type Held, knownToRotate, withTokens } from './rotation.ts';
import type { Run } from './run.ts';
import {
  checked,
  checkGrant,
  profileFields,
  type RefreshPorts,
  type RefreshRules,
  type Serving,
  type Shared,
} from './serving.ts';
import { parseRecord } from './token-record.ts';

/** What was, or would be, handed over. */
export interface Done {
  readonly handOver: AuthorizationCodeConnection['handOver'];
  readonly validUntil: Date | null;
}

/** The stored access token is dead, or too old to last until the next refresh: time for an exchange. */
class Stale extends Error {}

/** Serves one AUTHORIZATION_CODE connection by the rotation protocol, or says in a dry run what it would do. */
export async function serveAuthorizationCode(
  connection: AuthorizationCodeConnection,
  serving: Serving,
): Promise<Done | 'in-progress'> {
  const { target, shared, rules, ports, run, dryRun, profile } = serving;
  const stored = storedTokens(shared.secrets, rules.tokenPrefix + connection.name);
  const rotates = knownToRotate(stored);
  checkInterval(connection.name, target.intervalSeconds, rotates);
  let auth: Promise<ClientAuth> | undefined;
  const client = () => {
    auth ??= clientOf(connection, ports.secrets, run);
    return auth;
  };
  if (dryRun) {
    await client();
    if (stored !== undefined) parseRecord(stored, rotationPorts(connection, client, rules, ports));
    await checkGrant('AUTHORIZATION_CODE', serving);
    checkLimits(connection.name, { ...profileFields(profile), clientCredentialsArn: connection.clientCredentialsArn });
    return { handOver: rotates ? 'ACCESS_TOKEN' : connection.handOver, validUntil: null };
  }
  const rotation: RotationPorts = rotationPorts(connection, client, rules, ports);
  const use = async (held: Held): Promise<Done> => {
    const validUntil = await validUntilOf(await client(), held.accessToken, rotation.endpoint, run);
    if (!held.exchanged && !outlivesInterval(validUntil, target.intervalSeconds, run)) throw new Stale();
    checkAccessTokenLife(connection.name, validUntil, target.intervalSeconds, run);
    const { credentials, handOver } = credentialsOf(connection, held);
    await checked({ credentials, validUntil }, serving);
    try {
      await profile.handOver(credentials, run);
    } catch (error) {
      if (!(error instanceof CredentialsRefused)) throw error;
      // An access token that lives is as good as a new one: one more try, no more exchanges.
      if (!held.exchanged && !(await isLive(held.accessToken, rotation.endpoint, run))) throw new Stale();
      await profile.handOver(credentials, run);
    }
    return { handOver, validUntil };
  };
  const demand: Demand =
    target.unlessUpdatedAfter === undefined
      ? { kind: 'exchange' }
      : {
          kind: 'exchange-unless-stored',
          profileUpdatedAt: profile.updatedAt,
          intervalSeconds: target.intervalSeconds,
        };
  const result = await withTokens(connection, demand, rotation, run, use).catch((error: unknown) => {
    if (!(error instanceof Stale)) throw error;
    return withTokens(connection, { kind: 'exchange' }, rotation, run, use);
  });
  return result.outcome === 'done' ? result.result : 'in-progress';
}

async function isLive(accessToken: Redacted, endpoint: TokenEndpoint, run: Run): Promise<boolean> {
  try {
    await endpoint.tryAccessToken(accessToken, run);
    return true;
  } catch (error) {
    if (error instanceof RefreshError && error.code === 'SALESFORCE_REFUSED') return false;
    throw error;
  }
}

/**
 * Stores a token that the last run had to put into escrow, without an exchange: AppFlow was handed the access token all the same, so nothing
 * else would bring a run here before the next interval.
 */
export async function emptyEscrow(
  connection: AuthorizationCodeConnection,
  { rules, ports, run }: Serving,
): Promise<void> {
  const rotation = rotationPorts(connection, () => clientOf(connection, ports.secrets, run), rules, ports);
  await withTokens(connection, { kind: 'restore' }, rotation, run, async () => undefined);
}

/** What AppFlow is given of the tokens: under refresh token rotation the access token alone, since both sides cannot own a refresh token. */
export function credentialsOf(
  connection: AuthorizationCodeConnection,
  { accessToken, refreshToken, rotates }: Pick<Held, 'accessToken' | 'refreshToken' | 'rotates'>,
): { readonly credentials: Credentials; readonly handOver: AuthorizationCodeConnection['handOver'] } {
  const handOver = rotates ? 'ACCESS_TOKEN' : connection.handOver;
  const { clientCredentialsArn } = connection;
  const credentials: Credentials = {
    oAuth2GrantType: 'AUTHORIZATION_CODE',
    accessToken,
    ...(handOver === 'ACCESS_AND_REFRESH_TOKEN' ? { refreshToken } : {}),
    ...(clientCredentialsArn === undefined ? {} : { clientCredentialsArn }),
  };
  return { credentials, handOver };
}

/** The ports of the protocol for one connection; `rotate` uses them as well. */
export function rotationPorts(
  connection: AuthorizationCodeConnection,
  client: () => Promise<ClientAuth>,
  rules: RefreshRules,
  ports: RefreshPorts,
): RotationPorts {
  const operatorSecret = rules.secretPrefix + connection.name;
  return {
    store: ports.store,
    escrow: ports.escrow,
    endpoint: ports.salesforce.tokenEndpoint(connection, operatorSecret),
    client,
    connection: connection.name,
    tokenSecret: rules.tokenPrefix + connection.name,
    operatorSecret,
  };
}

/** When the access token ends, if Salesforce can be asked: introspection wants the client's secret. */
export async function validUntilOf(
  client: ClientAuth,
  accessToken: Redacted,
  endpoint: TokenEndpoint,
  run: Run,
): Promise<Date | null> {
  return client.clientSecret === undefined ? null : endpoint.expiryOf(client, accessToken, run);
}

/** The client of an AUTHORIZATION_CODE connection: its secret is its own, or that of the secret which AppFlow reads too, or it has none. */
export async function clientOf(
  connection: AuthorizationCodeConnection,
  secrets: Secrets,
  run: Run,
): Promise<ClientAuth> {
  const { clientId, clientSecret, clientCredentialsArn } = connection;
  if (clientSecret !== undefined || clientCredentialsArn === undefined) return { clientId, clientSecret };
  const client = await clientFrom(connection.name, clientCredentialsArn, secrets, run);
  if (client.clientId === clientId) return client;
  throw new RefreshError(
    'SECRET_MALFORMED',
    'clientId is not the one in the secret that clientCredentialsArn names.',
    `Make clientId of ${connection.name} and the secret of its clientCredentialsArn speak of the same connected app.`,
  );
}

/** The token secret's value from the shared read. That there is none yet is no error; that it cannot be read is. */
export function storedTokens(secrets: Shared['secrets'], secretName: string): Redacted | undefined {
  const found = secrets.get(secretName);
  if (found === undefined || (found instanceof RefreshError && found.code === 'SECRET_NOT_FOUND')) return undefined;
  if (found instanceof RefreshError) throw found;
  return found.value;
}
