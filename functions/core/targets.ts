import { intervalOf } from './connection.ts';
import { RefreshError } from './errors.ts';
import type { ListedSecret } from './ports.ts';
import type { Target } from './serving.ts';

/** Tags of the operator's secret: what must be known without reading its value. */
const PROFILE_TAG = 'connector-profile-name';
const INTERVAL_TAG = 'refresh-interval-seconds';

/** A name that a person may give: what is left for it in a secret's name (CreateSecret: `[A-Za-z0-9/_+=.@-]`, at most 512 characters). */
export function isConnectionName(name: string): boolean {
  return /^[A-Za-z0-9/_+=.@-]{1,400}$/.test(name);
}

/** AppFlow's own pattern, here over the whole name: a profile of any other name cannot exist. */
export function isProfileName(name: string): boolean {
  return /^[\w/!@#+=.-]{1,256}$/.test(name);
}

/**
 * What a connection's secret says about it without its value.
 *
 * @throws RefreshError `SECRET_MALFORMED` where a tag is wrong
 */
export function targetOf(secret: ListedSecret, secretPrefix: string, defaultIntervalSeconds: number): Target {
  const connection = secret.name.slice(secretPrefix.length);
  const connectorProfileName = secret.tags.get(PROFILE_TAG) ?? connection;
  const interval = secret.tags.get(INTERVAL_TAG);
  const intervalSeconds = interval === undefined ? defaultIntervalSeconds : intervalOf(interval);
  const problems: string[] = [];
  if (!isProfileName(connectorProfileName))
    problems.push(
      `the tag ${PROFILE_TAG}, or without it the name of the connection, is no name that a connector profile can have`,
    );
  if (intervalSeconds === undefined) problems.push(`the tag ${INTERVAL_TAG} is not a whole number of seconds`);
  if (intervalSeconds !== undefined && problems.length === 0)
    return { connection, connectorProfileName, intervalSeconds };
  throw new RefreshError(
    'SECRET_MALFORMED',
    `${problems.join('; ')}.`,
    `Correct the tags of the secret ${secret.name}. Until then ${connection} is not refreshed.`,
  );
}
