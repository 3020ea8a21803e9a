import type { Connection } from './connection/connection.ts';
import type { Context } from './context.ts';
import type { Proof } from './grants/grant.ts';
import { grantOf } from './grants/grant-of.ts';
import type { OwnRun } from './token-rotation/look.ts';

/**
 * Asks Salesforce whether a refresh of the connection would work now. A JWT is exchanged, a client id and secret get a token, a refresh token is
 * introspected where a client secret is held: nothing is spent, and nothing is changed.
 *
 * What AppFlow holds nobody tells. It is what was handed over last, unless the profile was updated after our last run.
 *
 * @returns `unproven` where Salesforce cannot be asked without spending something: no failure, and no proof
 * @throws RefreshError `SALESFORCE_REFUSED` where it would not work; the codes of the token endpoint, of the stores and of the signer
 */
export function probe(connection: Connection, context: Context): Promise<Proof> {
  return grantOf(connection).prove(context);
}

/** Whether a dry run that succeeded has asked Salesforce already, so that `probe` would only log in once more. */
export function dryRunProves(connection: Connection): boolean {
  return grantOf(connection).dryRunProves;
}

/**
 * Our last run: a profile that was updated after its end was updated by another program or person, so that AppFlow may hold anything. `undefined`
 * where we keep nothing that tells: of grants without a token secret only a log or CloudTrail knows.
 *
 * @throws RefreshError `SECRETS_UNAVAILABLE`, `ACCESS_DENIED`
 */
export function lastRunOf(connection: Connection, context: Context): Promise<OwnRun | undefined> {
  return grantOf(connection).lastRun(context);
}
