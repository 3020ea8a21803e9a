import { checkLimits } from './credentials.ts';
import { CredentialsRefused, RefreshError } from './errors.ts';
import type { Obtained, Serving } from './grants/grant.ts';

/**
 * Holds the credentials against AppFlow's limits and gives them to the profile. Where AppFlow tried them in vain, once more with what the
 * grant says is worth trying. In a dry run nothing is given; the grant is held against those that AppFlow lists instead.
 *
 * @throws RefreshError `CONSTRAINT_VIOLATED`, `GRANT_UNSUPPORTED`, `PROFILE_REJECTED`, `PROFILE_NOT_FOUND`, `APPFLOW_UNAVAILABLE`, …
 */
export async function handOver(obtained: Obtained, serving: Serving): Promise<void> {
  const { profile, dryRun, run } = serving;
  check(obtained, serving);
  if (dryRun) return checkGrant(obtained, serving);
  try {
    await profile.handOver(obtained.credentials, run);
  } catch (error) {
    if (!(error instanceof CredentialsRefused)) throw error;
    const renewed = await obtained.renewed();
    check(renewed, serving);
    await profile.handOver(renewed.credentials, run);
  }
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
    `Choose another handOver for ${target.connection}; AppFlow lists ${[...supported].join(', ')}.`,
  );
}
