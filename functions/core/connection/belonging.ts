import { RefreshError } from '../errors.ts';
import type { Profile } from '../ports.ts';
import { enumerated } from '../wording.ts';
import type { Connection } from './connection.ts';
import { isListedHost } from './listed-hosts.ts';
import type { ListedTarget, Target } from './target.ts';

/** Of each profile that a secret names, by its name, whose it is. */
export type Belonging = ReadonlyMap<string, Owned>;

export interface Owned {
  /** The one connection that the profile belongs to. */
  readonly owner: ListedTarget;
  /** Others that name it too and are not served, in the order in which they were created. */
  readonly others: readonly ListedTarget[];
}

/**
 * Which connection each profile belongs to. It is decided here alone.
 *
 * A profile belongs to the connection whose secret was created first, so that nobody can take a served one by creating another secret.
 *
 * @param targets all connections that could name a profile, as far as the caller knows them
 */
export function belonging(targets: readonly ListedTarget[]): Belonging {
  const byProfile = Map.groupBy(targets, ({ connectorProfileName }) => connectorProfileName);
  const found = new Map<string, Owned>();
  for (const [name, rivals] of byProfile) {
    const [owner, ...others] = rivals.sort(byCreation);
    if (owner !== undefined) found.set(name, { owner, others });
  }
  return found;
}

/** Two secrets may be created within the precision of a date: then the name decides, the same way everywhere. */
function byCreation(one: ListedTarget, other: ListedTarget): number {
  const difference = one.secretCreatedAt.getTime() - other.secretCreatedAt.getTime();
  if (difference !== 0) return difference;
  return one.connection < other.connection ? -1 : 1;
}

/** What the rules for a hand-over must know besides it. */
export interface BindingRules {
  readonly secretPrefix: string;
  /** Where a profile's `instanceUrl` may point (`INSTANCE_HOSTS`). */
  readonly instanceHosts: readonly string[];
}

/**
 * The value of a connection's secret says where its credential goes; a tag, message or event only schedules.
 *
 * @throws RefreshError `PROFILE_MISMATCH` where they name different profiles
 */
export function checkBinding(connection: Connection, target: Target, { secretPrefix }: BindingRules): void {
  const { name, connectorProfileName: bound } = connection;
  if (target.connectorProfileName === bound) return;
  throw new RefreshError(
    'PROFILE_MISMATCH',
    // What the value names may be a token that was pasted in the wrong place.
    `The value of ${secretPrefix}${name} is for another connector profile than ${target.connectorProfileName}, which its tag, or what asked for this refresh, names.`,
    `If ${target.connectorProfileName} is right, put "connectorProfileName": "${target.connectorProfileName}" into the value of ${secretPrefix}${name}; if not, correct its tag connector-profile-name. Until then ${name} is not refreshed.`,
  );
}

/**
 * The profile that a target may give credentials to.
 *
 * @throws RefreshError `PROFILE_SHARED`, `PROFILE_NOT_FOUND`, `PROFILE_NOT_SALESFORCE`, `INSTANCE_HOST_REFUSED`
 */
export function profileFor(
  target: Target,
  belongs: Belonging,
  profiles: ReadonlyMap<string, Profile>,
  { instanceHosts }: BindingRules,
): Profile {
  const { connection, connectorProfileName } = target;
  const owned = belongs.get(connectorProfileName);
  if (owned !== undefined && owned.owner.connection !== connection)
    throw profileShared(connectorProfileName, owned.owner, [target]);
  const profile = profiles.get(connectorProfileName);
  if (profile === undefined) throw profileNotFound(target);
  if (!profile.isSalesforce) {
    throw new RefreshError(
      'PROFILE_NOT_SALESFORCE',
      `The connector profile ${connectorProfileName} is not a Salesforce profile.`,
      `Correct connectorProfileName in the secret of ${connection}, and its tag connector-profile-name.`,
    );
  }
  checkInstanceHost(profile, connection, instanceHosts);
  return profile;
}

/**
 * AppFlow sends the credential to the profile's `instanceUrl`, which others may have set.
 *
 * @throws RefreshError `INSTANCE_HOST_REFUSED`. A profile without the property is served
 */
function checkInstanceHost(
  { connectorProfileName, instanceUrl = '' }: Profile,
  connection: string,
  instanceHosts: readonly string[],
): void {
  if (instanceUrl === '' || isAtListedHost(instanceUrl, instanceHosts)) return;
  throw new RefreshError(
    'INSTANCE_HOST_REFUSED',
    `The instance URL of the connector profile ${connectorProfileName} is not at one of INSTANCE_HOSTS.`,
    `Find out who set the instance URL of ${connectorProfileName}, and correct it; or add its host to INSTANCE_HOSTS of the functions if it is yours. ${connection} gives it nothing until then.`,
  );
}

/** Only the plainest spelling counts: what one program reads as a path may be the host to another. The scheme may be left out. */
function isAtListedHost(instanceUrl: string, instanceHosts: readonly string[]): boolean {
  const plain = /^(?:(https?):\/\/)?([A-Za-z0-9.-]+(?::\d{1,5})?)(?:\/[\w./-]*)?$/.exec(instanceUrl);
  return plain !== null && isListedHost(`${plain[1] ?? 'https'}://${plain[2]}`, instanceHosts);
}

export function profileNotFound({ connection, connectorProfileName }: Target): RefreshError {
  return new RefreshError(
    'PROFILE_NOT_FOUND',
    `AppFlow has no Salesforce connector profile ${connectorProfileName} in this account and Region.`,
    `Create the profile, or correct connectorProfileName in the secret of ${connection} and its tag connector-profile-name.`,
  );
}

/** One error for a profile, however many secrets name it. */
export function profileShared(connectorProfileName: string, owner: Target, others: readonly Target[]): RefreshError {
  const names = enumerated(others.map(({ connection }) => connection));
  return new RefreshError(
    'PROFILE_SHARED',
    `The connector profile ${connectorProfileName} belongs to ${owner.connection}, whose secret was created first; not served for it: ${names}.`,
    `Delete the secret of ${names}, or give it a profile of its own: connectorProfileName in the value, and the tag connector-profile-name.`,
  );
}
