import { earliest, endOf } from '../access-token-end.ts';
import type { AuthorizationCodeConnection } from '../connection/connection.ts';
import type { Context } from '../context.ts';
import type { Credentials } from '../credentials.ts';
import { orRefreshError, RefreshError } from '../errors.ts';
import type { ClientAuth } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import { dueSince } from '../schedule.ts';
import { lastRun, lookAtToken } from '../token-rotation/look.ts';
import { type Demand, type LiveTokens, Stale, withTokens } from '../token-rotation/protocol.ts';
import type { RotationContext } from '../token-rotation/rotation-context.ts';
import { comesFrom, knownToRotate, parseRecord, type StoredTokens } from '../token-rotation/token-record.ts';
import { areVersionsScarce, checkInterval, versionsScarce } from '../token-rotation/versions.ts';
import { admittedArn, clientFrom, type SharedClient } from './client-secret.ts';
import {
  checkAccessTokenLife,
  type Grant,
  type Obtained,
  outlivesInterval,
  type Proof,
  type Read,
  type Serving,
} from './grant.ts';

/** AUTHORIZATION_CODE (RFC 6749 sections 4.1 and 6): tokens by the rotation protocol, used while its lease is held. */
export function authorizationCode(connection: AuthorizationCodeConnection): Grant {
  return {
    connection,
    // That the token secret cannot be read is said when it is needed.
    handOver: (read) =>
      !(read instanceof RefreshError) && knownToRotate(read?.value) ? 'ACCESS_TOKEN' : connection.handOver,
    obtain: (serving, use) => (serving.dryRun ? rehearse(connection, serving, use) : obtain(connection, serving, use)),
    async finish(serving) {
      // A token that the last run put into escrow: AppFlow was handed the access token all the same, so nothing else would store it before the
      // next interval.
      if (serving.target.isRetry !== true) return;
      await withTokens(rotationOf(connection, serving), { kind: 'restore' }, async () => undefined);
    },
    dryRunProves: false,
    async prove(context) {
      const rotation = rotationOf(connection, context);
      const finding = await lookAtToken(rotation);
      if (finding.kind === 'dead') throw finding.error;
      const proof: Proof =
        finding.kind === 'active'
          ? { state: 'proven', detail: 'Salesforce says that its refresh token is active' }
          : { state: 'unproven', detail: `Salesforce was not asked, or did not say: ${finding.why}` };
      const session = await sessionOf(connection, rotation);
      return session === undefined ? proof : { ...proof, session };
    },
    // Every run takes a lease, whoever asked for it: what comes after the last one's end comes from elsewhere.
    lastRun: (context) => lastRun(rotationOf(connection, context)),
  };
}

async function obtain(
  connection: AuthorizationCodeConnection,
  serving: Serving,
  use: (obtained: Obtained) => Promise<void>,
): Promise<Obtained | 'in-progress'> {
  const { target, profile } = serving;
  const stored = storedRecord(serving.tokenSecret);
  checkInterval(connection.name, target.intervalSeconds, knownToRotate(stored));
  const rotation = await admittedRotationOf(connection, serving);
  if (comesFrom(stored, connection.seed) && !isFirstAttempt(serving) && (await areVersionsScarce(rotation))) {
    if (!(await wasJustChanged(serving))) throw versionsScarce(rotation);
  }
  const useTokens = async (tokens: LiveTokens): Promise<Obtained> => {
    const obtained = await obtainedFrom(tokens, rotation);
    if (tokens.storedAt !== undefined) {
      // Of a stored token whose end nobody tells it is asked whether it lives.
      const lasts =
        obtained.validUntil === null
          ? await isLive(tokens.accessToken, rotation)
          : outlivesInterval(obtained.validUntil, serving);
      if (!lasts || (await wasUpdatedSince(tokens.storedAt, serving))) throw new Stale();
    }
    checkAccessTokenLife(obtained.validUntil, serving);
    await use({
      ...obtained,
      // An access token that lives is as good as a new one: one more try, no more exchanges.
      async renewed() {
        if (tokens.storedAt !== undefined && !(await isLive(tokens.accessToken, rotation))) throw new Stale();
        return obtained;
      },
    });
    return obtained;
  };
  const demand: Demand =
    // A flow that failed may have failed with the very token that is stored.
    target.unlessUpdatedAfter === undefined || target.isHealing === true
      ? { kind: 'exchange' }
      : {
          kind: 'exchange-unless-stored',
          profileUpdatedAt: profile.updatedAt,
          intervalSeconds: target.intervalSeconds,
        };
  const result = await withTokens(rotation, demand, useTokens).catch((error: unknown) => {
    if (!(error instanceof Stale)) throw error;
    return withTokens(rotation, { kind: 'exchange' }, useTokens);
  });
  return result.outcome === 'done' ? result.result : 'in-progress';
}

/** Whether a person asked, or the schedule for the first time in an interval. Healing and repetitions spend versions that others need. */
function isFirstAttempt({ target, profile, rules }: Serving): boolean {
  const { unlessUpdatedAfter, isRetry = false, isHealing = false, intervalSeconds } = target;
  if (unlessUpdatedAfter === undefined) return true;
  if (isRetry || isHealing) return false;
  // As if the secret had never changed: whether it has is asked only where versions are scarce.
  const { createdAt: profileCreatedAt, updatedAt: profileUpdatedAt } = profile;
  const since = dueSince({ secretChangedAt: new Date(0), profileCreatedAt, profileUpdatedAt, intervalSeconds });
  return unlessUpdatedAfter.getTime() - since.getTime() < rules.tickSeconds * 1000;
}

/** Milliseconds for which a change of the operator's secret counts as a person's act: the listing that schedules lags by up to five minutes. */
const JUST = 15 * 60_000;

async function wasJustChanged({ target, rules, ports, run }: Serving): Promise<boolean> {
  const { changedAt } = await ports.secrets.describe(rules.secretPrefix + target.connection, run);
  return run.now() - changedAt.getTime() < JUST;
}

/** Whether AppFlow was given something since a token was stored. The profile was read before the lease, so it is read again. */
async function wasUpdatedSince(storedAt: Date, { profile, ports, run }: Serving): Promise<boolean> {
  const now = (await ports.appflow.profiles([profile.connectorProfileName], run)).get(profile.connectorProfileName);
  return now === undefined || now.updatedAt >= storedAt;
}

/** All that a dry run can say: an exchange would spend the refresh token. */
async function rehearse(
  connection: AuthorizationCodeConnection,
  serving: Serving,
  use: (obtained: Obtained) => Promise<void>,
): Promise<Obtained> {
  const stored = storedRecord(serving.tokenSecret);
  const rotates = knownToRotate(stored);
  checkInterval(connection.name, serving.target.intervalSeconds, rotates);
  const rotation = await admittedRotationOf(connection, serving);
  const auth = await rotation.client();
  if (stored !== undefined) parseRecord(stored, rotation);
  const obtained: Obtained = {
    credentials: {
      oAuth2GrantType: 'AUTHORIZATION_CODE',
      ...arnFor(auth, connection),
    },
    handOver: rotates ? 'ACCESS_TOKEN' : connection.handOver,
    validUntil: null,
    renewed: async () => obtained,
  };
  await use(obtained);
  return obtained;
}

/** What AppFlow is given of the tokens: under refresh token rotation the access token alone, since both sides cannot own a refresh token. */
export async function obtainedFrom(tokens: StoredTokens, rotation: RotationContext): Promise<Obtained> {
  const { connection, endpoint, client, run } = rotation;
  const { accessToken, refreshToken } = tokens;
  const handOver = tokens.rotates ? 'ACCESS_TOKEN' : connection.handOver;
  const auth = await client();
  const obtained: Obtained = {
    credentials: {
      oAuth2GrantType: 'AUTHORIZATION_CODE',
      accessToken,
      ...(handOver === 'ACCESS_AND_REFRESH_TOKEN' ? { refreshToken } : {}),
      ...arnFor(auth, connection),
    },
    handOver,
    // Introspection wants the client's secret.
    validUntil: earliest(
      endOf(tokens),
      auth.clientSecret === undefined ? null : await endpoint.expiryOf(auth, accessToken, run),
    ),
    renewed: async () => obtained,
  };
  return obtained;
}

/** AppFlow is not told of a client secret that it could not read. */
function arnFor(
  { isManaged }: Pick<SharedClient, 'isManaged'>,
  { clientCredentialsArn }: AuthorizationCodeConnection,
): Pick<Credentials, 'clientCredentialsArn'> {
  return clientCredentialsArn === undefined || isManaged === true ? {} : { clientCredentialsArn };
}

async function isLive(accessToken: Redacted, { endpoint, run }: RotationContext): Promise<boolean> {
  try {
    await endpoint.tryAccessToken(accessToken, run);
    return true;
  } catch (error) {
    if (error instanceof RefreshError && error.code === 'SALESFORCE_REFUSED') return false;
    throw error;
  }
}

/** Of the access token that AppFlow was given by itself, and cannot renew: it is the one that is kept. `undefined` where that is not known. */
async function sessionOf(
  { handOver }: AuthorizationCodeConnection,
  rotation: RotationContext,
): Promise<'lives' | 'ended' | undefined> {
  const current = await rotation.ports.store.current(rotation.tokenSecret, rotation.run);
  if (current === undefined) return undefined;
  const { accessToken, rotates } = parseRecord(current.value, rotation);
  if (accessToken === undefined || (handOver !== 'ACCESS_TOKEN' && !rotates)) return undefined;
  const lives = await orRefreshError(() => isLive(new Redacted(accessToken), rotation));
  if (lives instanceof RefreshError) return undefined;
  return lives ? 'lives' : 'ended';
}

/**
 * What the protocol needs before anything is spent or handed over: the client secret that AppFlow may be given serves this connection.
 *
 * @throws RefreshError `ACCESS_DENIED`
 */
export async function admittedRotationOf(
  connection: AuthorizationCodeConnection,
  context: Context,
): Promise<RotationContext> {
  const { name, clientCredentialsArn } = connection;
  if (clientCredentialsArn !== undefined) await admittedArn(name, clientCredentialsArn, context);
  return rotationOf(connection, context);
}

/** What the protocol needs for one connection; `rotate` asks for it as well. */
export function rotationOf(connection: AuthorizationCodeConnection, context: Context): RotationContext {
  const { rules, ports, run } = context;
  const operatorSecret = rules.secretPrefix + connection.name;
  let auth: ReturnType<typeof clientOf> | undefined;
  return {
    connection,
    ports,
    endpoint: ports.salesforce.tokenEndpoint(connection, operatorSecret),
    client() {
      auth ??= clientOf(connection, context);
      return auth;
    },
    tokenSecret: rules.tokenPrefix + connection.name,
    operatorSecret,
    run,
  };
}

/** The client of an AUTHORIZATION_CODE connection: its secret is its own, or that of the secret which AppFlow reads too, or it has none. */
export async function clientOf(
  connection: AuthorizationCodeConnection,
  context: Context,
): Promise<ClientAuth & Pick<SharedClient, 'isManaged'>> {
  const { clientId, clientSecret, clientCredentialsArn, handOver } = connection;
  if (clientSecret !== undefined || clientCredentialsArn === undefined) return { clientId, clientSecret };
  // With a refresh token AppFlow needs the client as well.
  const reader = handOver === 'ACCESS_AND_REFRESH_TOKEN' ? 'AppFlow' : 'us';
  const client = await clientFrom(connection.name, clientCredentialsArn, context, reader);
  if (client.clientId === clientId) return client;
  throw new RefreshError(
    'SECRET_MALFORMED',
    'clientId is not the one in the secret that clientCredentialsArn names.',
    `Make clientId of ${connection.name} and the secret of its clientCredentialsArn speak of the same connected app.`,
  );
}

/** The token secret's value from the shared read. No token secret yet is fine; one that cannot be read throws. */
function storedRecord(tokenSecret: Read): Redacted | undefined {
  if (tokenSecret === undefined || (tokenSecret instanceof RefreshError && tokenSecret.code === 'SECRET_NOT_FOUND'))
    return undefined;
  if (tokenSecret instanceof RefreshError) throw tokenSecret;
  return tokenSecret.value;
}
