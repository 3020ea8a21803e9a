import { RefreshError } from '../errors.ts';
import type { Profile } from '../ports.ts';
import { enumerated } from '../wording.ts';
import type { Target } from './target.ts';

/** Of each profile, by its name, the connection that it belongs to; or why it belongs to none. */
export type Belonging<T extends Target = Target> = ReadonlyMap<string, T | RefreshError>;

/**
 * Which connection each profile belongs to. It is decided here alone.
 *
 * A profile belongs to the one connection that names it. Where several do, it belongs to none of them: each would overwrite what the
 * others handed over.
 *
 * @param targets all connections that could name a profile, as far as the caller knows them
 */
export function belonging<T extends Target>(targets: readonly T[]): Belonging<T> {
  const byProfile = Map.groupBy(targets, ({ connectorProfileName }) => connectorProfileName);
  const belongs = new Map<string, T | RefreshError>();
  for (const [name, [first, ...others]] of byProfile) {
    if (first !== undefined) belongs.set(name, others.length === 0 ? first : profileShared(name, [first, ...others]));
  }
  return belongs;
}

/**
 * The profile that a target may give credentials to.
 *
 * @throws RefreshError `PROFILE_SHARED`, `PROFILE_NOT_FOUND`, `PROFILE_NOT_SALESFORCE`
 */
export function profileFor(target: Target, belongs: Belonging, profiles: ReadonlyMap<string, Profile>): Profile {
  const { connection, connectorProfileName } = target;
  const owner = belongs.get(connectorProfileName);
  if (owner instanceof RefreshError) throw owner;
  if (owner !== undefined && owner.connection !== connection)
    throw profileShared(connectorProfileName, [owner, target]);
  const profile = profiles.get(connectorProfileName);
  if (profile === undefined) throw profileNotFound(target);
  if (profile.isSalesforce) return profile;
  throw new RefreshError(
    'PROFILE_NOT_SALESFORCE',
    `The connector profile ${connectorProfileName} is not a Salesforce profile.`,
    `Correct the tag connector-profile-name of the secret of ${connection}.`,
  );
}

export function profileNotFound({ connection, connectorProfileName }: Target): RefreshError {
  return new RefreshError(
    'PROFILE_NOT_FOUND',
    `AppFlow has no Salesforce connector profile ${connectorProfileName} in this account and Region.`,
    `Create the profile, or correct the tag connector-profile-name of the secret of ${connection}.`,
  );
}

function profileShared(connectorProfileName: string, targets: readonly Target[]): RefreshError {
  return new RefreshError(
    'PROFILE_SHARED',
    `The secrets of ${enumerated(targets.map(({ connection }) => connection))} name the same connector profile, ${connectorProfileName}.`,
    `Leave the tag connector-profile-name = ${connectorProfileName} on one secret only; until then none of them is served.`,
  );
}
