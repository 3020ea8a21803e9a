import { checkLimits } from './credentials.ts';
import { CredentialsRefused, outOfTime, RefreshError } from './errors.ts';
import type { Obtained, Serving } from './grants/grant.ts';
import { enumerated, publicName } from './wording.ts';

/**
 * Holds the credentials against AppFlow's limits and gives them to the profile. Where AppFlow tried them in vain, once more with what the
 * grant says is worth trying. In a dry run nothing is given; the grant is held against those that AppFlow lists instead.
 *
 * @throws RefreshError `CONSTRAINT_VIOLATED`, `GRANT_UNSUPPORTED`, `PROFILE_REJECTED`, `PROFILE_NOT_FOUND`, `APPFLOW_UNAVAILABLE`, …
 */
export async function handOver(obtained: Obtained, serving: Serving): Promise<void> {
  check(obtained, serving);
  if (serving.dryRun) return checkGrant(obtained, serving);
  try {
    await give(obtained, serving);
  } catch (error) {
    if (!(error instanceof CredentialsRefused)) throw error;
    const renewed = await obtained.renewed();
    check(renewed, serving);
    await give(renewed, serving);
  }
}

async function give({ credentials }: Obtained, { profile, target, run }: Serving): Promise<void> {
  // At this moment: a run that has slept beyond its deadline may hold what another run has replaced since.
  if (run.now() >= run.deadline) throw outOfTime(`the refresh of ${target.connection}, before its hand-over`);
  await profile.handOver(credentials, run);
}

function check({ credentials }: Obtained, { target, profile }: Serving): void {
  const { connectorProfileName, connectionMode, instanceUrl } = profile;
  checkLimits(target.connection, { ...credentials, connectorProfileName, connectionMode, instanceUrl });
}

async function checkGrant({ credentials }: Obtained, { supportedGrants, target }: Serving): Promise<void> {
  const grant = credentials.oAuth2GrantType;
  const supported = await supportedGrants();
  if (supported === undefined || supported.has(grant)) return;
  throw new RefreshError(
    'GRANT_UNSUPPORTED',
    `AppFlow does not list ${grant} for Salesforce in this account and Region.`,
    `Choose another handOver for ${target.connection}; AppFlow lists ${enumerated([...supported].map(publicName))}.`,
  );
}
