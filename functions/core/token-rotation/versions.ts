import { RefreshError } from '../errors.ts';
import type { RotationContext } from './rotation-context.ts';

/** About as many versions may be put into a secret in 24 hours: younger ones are never pruned. */
const MOST_VERSIONS = 100;
/** What repetitions leave to a person, to a new seed and to the first attempt once a connection is due. */
const KEPT_FREE = 10;
/** At two new versions a refresh (one without rotation) and 100 versions a day: seconds. */
const SHORTEST_INTERVAL = { rotating: 1_800, steady: 900 } as const;

/** Refuses an interval at which a day's versions would not fit into one secret. */
export function checkInterval(connection: string, intervalSeconds: number, rotates: boolean): void {
  const shortest = rotates ? SHORTEST_INTERVAL.rotating : SHORTEST_INTERVAL.steady;
  if (intervalSeconds >= shortest) return;
  const versions = rotates ? 2 : 1;
  throw new RefreshError(
    'INTERVAL_TOO_SHORT',
    `Every ${intervalSeconds} s with ${versions} secret version${versions === 1 ? '' : 's'} a refresh makes ${Math.ceil((86_400 / intervalSeconds) * versions)} versions a day, and a secret may hold about ${MOST_VERSIONS}.`,
    `Set the tag refresh-interval-seconds of ${connection} to ${shortest} or more.`,
  );
}

/** Whether so many versions were put in the last day that attempts which are not the first must stop. */
export async function areVersionsScarce({ ports, tokenSecret, run }: RotationContext): Promise<boolean> {
  return MOST_VERSIONS - (await ports.store.youngVersions(tokenSecret, run)) <= KEPT_FREE;
}

export function versionsScarce({ connection, tokenSecret, operatorSecret }: RotationContext): RefreshError {
  return new RefreshError(
    'INTERVAL_TOO_SHORT',
    `${MOST_VERSIONS - KEPT_FREE} versions of ${tokenSecret} were made in a day, so failed refreshes of ${connection.name} are not repeated for now.`,
    `Look for the last failure of ${connection.name} before this one, and cure that. A refresh by hand or a change of ${operatorSecret} goes ahead all the same. Repetitions go on when the versions of a day ago no longer count.`,
  );
}
