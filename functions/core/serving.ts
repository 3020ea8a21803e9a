import type { ConnectionRules } from './connection.ts';
import { checkLimits, type GrantType } from './credentials.ts';
import { RefreshError } from './errors.ts';
import type {
  AppFlow,
  Escrow,
  Obtained,
  Profile,
  Salesforce,
  Secrets,
  SecretVersion,
  Signer,
  TokenStore,
} from './ports.ts';
import type { Redacted } from './redacted.ts';
import type { Run } from './run.ts';

/** One connection that somebody wants refreshed. */
export interface Target {
  readonly connection: string;
  readonly connectorProfileName: string;
  readonly intervalSeconds: number;
  /** Set by the queue: leave the connection alone where its profile was updated after this moment. */
  readonly unlessUpdatedAfter?: Date;
  /** The queue asks again after a failure: a token that was put into escrow then is stored, also where the profile is up to date. */
  readonly isRetry?: boolean;
}

export interface RefreshRules extends ConnectionRules {
  readonly tokenPrefix: string;
  readonly jwtLifetimeSeconds: number;
}

export interface RefreshPorts {
  readonly appflow: AppFlow;
  readonly secrets: Secrets;
  readonly salesforce: Salesforce;
  readonly signer: Signer;
  readonly store: TokenStore;
  readonly escrow: Escrow;
}

/** What the connections of one run share: the reads that serve all of them. */
export interface Shared {
  readonly secrets: ReadonlyMap<string, SecretVersion | RefreshError>;
  readonly profiles: ReadonlyMap<string, Profile>;
  readonly supportedGrants: () => Promise<ReadonlySet<string> | undefined>;
  /** Set where the reads failed as a whole, and with them every target. */
  readonly failure?: RefreshError;
}

/** One connection being served. */
export interface Serving {
  readonly target: Target;
  readonly profile: Profile;
  readonly dryRun: boolean;
  readonly shared: Shared;
  readonly rules: RefreshRules;
  readonly ports: RefreshPorts;
  readonly run: Run;
}

/** Holds the credentials against AppFlow's limits, and in a dry run the grant against those that AppFlow supports. */
export async function checked(obtained: Obtained, serving: Serving): Promise<Obtained> {
  const { credentials } = obtained;
  checkLimits(serving.target.connection, { ...credentials, ...profileFields(serving.profile) });
  if (serving.dryRun) await checkGrant(credentials.oAuth2GrantType, serving);
  return obtained;
}

export function profileFields({ connectorProfileName, connectionMode, instanceUrl }: Profile) {
  return { connectorProfileName, connectionMode, instanceUrl };
}

export async function checkGrant(grant: GrantType, { shared, target }: Serving): Promise<void> {
  const supported = await shared.supportedGrants();
  if (supported === undefined || supported.has(grant)) return;
  throw new RefreshError(
    'GRANT_UNSUPPORTED',
    `AppFlow does not list ${grant} for Salesforce in this account and Region.`,
    `Choose another handOver for ${target.connection}; AppFlow lists ${[...supported].join(', ')}.`,
  );
}

/** @throws RefreshError `PROFILE_SHARED`, `PROFILE_NOT_FOUND`, `PROFILE_NOT_SALESFORCE` */
export function checkedProfile(
  { connection, connectorProfileName }: Target,
  isShared: boolean,
  profiles: ReadonlyMap<string, Profile>,
): Profile {
  if (isShared) throw profileShared(connectorProfileName, undefined);
  const profile = profiles.get(connectorProfileName);
  if (profile === undefined) throw profileNotFound(connection, connectorProfileName);
  if (profile.isSalesforce) return profile;
  throw new RefreshError(
    'PROFILE_NOT_SALESFORCE',
    `The connector profile ${connectorProfileName} is not a Salesforce profile.`,
    `Correct the tag connector-profile-name of the secret of ${connection}.`,
  );
}

export function profileNotFound(connection: string, connectorProfileName: string): RefreshError {
  return new RefreshError(
    'PROFILE_NOT_FOUND',
    `AppFlow has no Salesforce connector profile ${connectorProfileName} in this account and Region.`,
    `Create the profile, or correct the tag connector-profile-name of the secret of ${connection}.`,
  );
}

/** @param connections those that claim it, where they are known */
export function profileShared(connectorProfileName: string, connections: readonly string[] | undefined): RefreshError {
  return new RefreshError(
    'PROFILE_SHARED',
    `${connections === undefined ? 'More than one secret claims' : `The secrets of ${connections.join(', ')} claim`} the connector profile ${connectorProfileName}.`,
    `Leave the tag connector-profile-name = ${connectorProfileName} on one secret only; until then none of them is served.`,
  );
}

export function currentValue(secrets: Shared['secrets'], secretName: string, connection: string): Redacted {
  const found = secrets.get(secretName);
  if (found instanceof RefreshError) throw found;
  if (found !== undefined) return found.value;
  throw new RefreshError(
    'SECRET_NOT_FOUND',
    `There is no secret ${secretName}, or it has no current value.`,
    `Create the secret ${secretName} for ${connection} in this Region, or correct the name of the connection.`,
  );
}
