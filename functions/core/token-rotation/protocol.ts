import { outOfTime, RefreshError, Unanswered } from '../errors.ts';
import type { StoredVersion, Tokens } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import { takeLease } from './lease.ts';
import { LeaseHeld } from './lease-held.ts';
import { EXCHANGE_RESERVE_MS, type RotationContext } from './rotation-context.ts';
import {
  fingerprintOf,
  holdsSeed,
  nextRecord,
  parseRecord,
  type StoredTokens,
  type TokenRecord,
  tokenMissing,
  tokensIn,
} from './token-record.ts';

/**
 * The protocol by which a refresh token is spent once and never lost. Under refresh token rotation each token works once, and a second
 * use revokes the whole family, so every exchange of an AUTHORIZATION_CODE connection goes through here, whoever asks:
 *
 * 1. Read both labels of the token secret. Where the last lease was not released and has not run out, another run is at it.
 * 2. Lease: put a version under an id that follows from the last lease's id alone, labelled REFRESH_LEASE: at most one run takes over from a
 *    lease. It proves, before the token is spent, that we may write and encrypt. It says for how long it holds; its age is read off Secrets
 *    Manager's own clock, so no clock of ours decides anything.
 * 3. Read AWSCURRENT, under the lease. Where the last lease ran out, store what its run left in escrow first.
 * 4. Exchange once, if there is time for the longest exchange, put and escrow. An answer that does not come is not asked for again.
 * 5. Persist as AWSCURRENT, in one call; where the store refuses or is slow, into escrow besides, then on until the deadline.
 * 6. Use (hand over to AppFlow) while the lease is held, so that an older token never overwrites a newer one there.
 * 7. Release: move the label REFRESH_RELEASED to the lease. Only where every request was answered: another may still arrive, and then the
 *    lease is left to run out, which takes until after it could.
 *
 * Ids are chained to the last lease instead of counted: a counter would have to be searched for among old versions, and starts anew once they are
 * pruned; the chain needs the one `DescribeSecret` that reads both labels at once.
 *
 * What remains is one window: Salesforce has rotated, and no byte of its answer has reached the store or escrow.
 */

/** What is wanted of the protocol. */
export type Demand =
  /** A person asked: exchange. */
  | { readonly kind: 'exchange' }
  /** The queue or `heal` asked: exchange, unless the last run stored a token and died, or AppFlow failed, before it was handed over. */
  | { readonly kind: 'exchange-unless-stored'; readonly profileUpdatedAt: Date; readonly intervalSeconds: number }
  /** Secrets Manager asked: exchange, and store under its id, unless that is done. */
  | { readonly kind: 'rotate'; readonly versionId: string }
  /** No exchange: see to it that what lies in escrow is stored. */
  | { readonly kind: 'restore' }
  /** No exchange: hold the lease while the version, if still current, is used. */
  | { readonly kind: 'stored'; readonly versionId: string };

/** The tokens in the hands of the run that holds the lease. */
export interface LiveTokens extends StoredTokens {
  /** When the access token was stored, by Secrets Manager's clock; `undefined` where it was exchanged just now. */
  readonly storedAt: Date | undefined;
}

/** To be thrown by a `use` that finds the stored access token dead, or too old to last: it is time for an exchange. */
export class Stale extends Error {}

/** What came of it. `superseded`: nothing is left to do, since the demanded version is not current any more, or escrow alone was to be emptied. */
export type RotationResult<T> =
  | { readonly outcome: 'done'; readonly result: T }
  | { readonly outcome: 'in-progress' }
  | { readonly outcome: 'superseded' };

/**
 * Gets live tokens by the protocol above and lets `use` do something with them while the lease is held.
 *
 * @returns `in-progress` where another run holds the lease, or a person has just changed the seed; `superseded` where the demanded version is not current any more
 * @throws RefreshError `SALESFORCE_REFUSED` and the other codes of the token endpoint, `TOKEN_NOT_PERSISTED`, `SECRETS_UNAVAILABLE`, …; what `use` throws
 */
export async function withTokens<T>(
  rotation: RotationContext,
  demand: Demand,
  use: (tokens: LiveTokens) => Promise<T>,
): Promise<RotationResult<T>> {
  // Each turn of the loop means that somebody else moved the state; nobody moves it often.
  for (let turn = 0; turn < 4; turn++) {
    const lease = await takeLease(rotation);
    if (lease === 'again') continue;
    if (lease === 'held-by-another') return { outcome: 'in-progress' };
    const held = new LeaseHeld(lease, rotation);
    try {
      const current = await held.current();
      if (current === undefined) continue;
      const found = await recordFor(rotation, demand, current, held);
      if (found === 'superseded') return { outcome: 'superseded' };
      if (found === 'again') continue;
      if (found === 'outdated') return { outcome: 'in-progress' };
      // A token that is missing is said within, where what became of the other has precedence: that may be in escrow alone.
      const useTokens = async ({ record, storedAt }: Found) =>
        use({ ...tokensIn(record, rotation.operatorSecret), storedAt });
      return { outcome: 'done', result: await held.use(found, useTokens) };
    } catch (error) {
      // Of what is no error of ours, nobody knows what was sent before it.
      const isSettled = error instanceof Stale || (error instanceof RefreshError && !(error instanceof Unanswered));
      if (!isSettled) held.mayStillArrive();
      throw error;
    } finally {
      await held.release();
    }
  }
  return { outcome: 'in-progress' };
}

/** The record whose tokens are to be used, and when it was stored unless that was just now. */
type Found = { readonly record: TokenRecord; readonly storedAt: Date | undefined };

async function recordFor(
  rotation: RotationContext,
  demand: Demand,
  current: StoredVersion,
  held: LeaseHeld,
): Promise<Found | 'again' | 'superseded' | 'outdated'> {
  // It was stored when the lease had been taken.
  if (demand.kind === 'restore') return 'superseded';
  const { connection, ports, tokenSecret, operatorSecret, run } = rotation;
  const record = parseRecord(current.value, rotation);
  const stored = (): Found => ({ record, storedAt: current.createdAt });
  const isReauthorised = record.seedFingerprint !== fingerprintOf(connection.seed);
  // Tokens of an old seed are not used any more, whatever was demanded before a person stored another.
  const isDemanded = !isReauthorised && 'versionId' in demand && current.versionId === demand.versionId;
  if (demand.kind === 'stored') return isDemanded ? stored() : 'superseded';
  if (demand.kind === 'rotate') {
    if (isDemanded) return stored();
    // The version was current once: the rotation is done, and a refresh has come after it.
    if ((await ports.store.version(tokenSecret, demand.versionId, run)) !== undefined) return 'superseded';
  }
  if (demand.kind === 'exchange-unless-stored' && !isReauthorised && isUnused(record, current, demand, run.now()))
    return stored();
  if (isReauthorised) {
    // The seed was read before the lease. Since then a person may have stored another, and a sibling have used that: then this one is the old one.
    const now = await ports.store.current(operatorSecret, run);
    if (now === undefined || !holdsSeed(now.value, connection.seed)) return 'outdated';
  }
  const tokens = await exchange(rotation, isReauthorised, record).catch(async (error: unknown) => {
    if (!(error instanceof RefreshError) || error.code !== 'SALESFORCE_REFUSED') throw error;
    // Perhaps the token was refused because it is not the live one: look once whether the store has moved on.
    const now = await ports.store.current(tokenSecret, run);
    if (now === undefined || now.versionId === current.versionId) throw error;
    return 'again' as const;
  });
  if (tokens === 'again') return 'again';
  const next = nextRecord(connection, record, { fromSeed: isReauthorised, tokens, at: run.now() });
  if (next.rotates && !record.rotates) {
    run.warn(
      connection.name,
      'Salesforce returned a new refresh token: refresh token rotation is on. From now on AppFlow is given the access token alone, since a refresh token that both sides spend is revoked.',
    );
  }
  const needsVersion =
    demand.kind === 'rotate' ||
    next.refreshToken !== record.refreshToken ||
    isReauthorised ||
    record.accessToken === undefined;
  held.obtained(next, demand.kind === 'rotate' ? demand.versionId : undefined);
  if (needsVersion) await held.persist();
  return { record: next, storedAt: undefined };
}

/** Whether an access token was stored less than an interval ago and not handed over since: the run that stored it died, or AppFlow failed. */
function isUnused(
  { accessToken, obtainedAt }: TokenRecord,
  { createdAt, readAt }: StoredVersion,
  { profileUpdatedAt, intervalSeconds }: Extract<Demand, { kind: 'exchange-unless-stored' }>,
  now: number,
): boolean {
  if (accessToken === undefined || obtainedAt === undefined || createdAt <= profileUpdatedAt) return false;
  // A token that came out of escrow is older than its version. Its own date is a clock of ours, which may be off: it can only make it older.
  const age = Math.max(readAt.getTime() - createdAt.getTime(), now - Date.parse(obtainedAt));
  return age < intervalSeconds * 1000;
}

async function exchange(rotation: RotationContext, fromSeed: boolean, record: TokenRecord): Promise<Tokens> {
  const { connection, endpoint, client, operatorSecret, run } = rotation;
  const sent = fromSeed ? connection.seed : keptToken(record, operatorSecret);
  const auth = await client();
  // At this moment, not before: what came until here may have been slow.
  if (run.deadline - run.now() < EXCHANGE_RESERVE_MS)
    throw outOfTime(`the refresh of ${connection.name}, before its token was sent`);
  // That holds for an attempt that Salesforce asks to repeat, too.
  const inTime = { ...run, deadline: run.deadline - EXCHANGE_RESERVE_MS };
  return 'authCode' in sent
    ? endpoint.exchangeCode(auth, sent.authCode, sent.redirectUri, inTime)
    : endpoint.exchangeRefreshToken(auth, sent.refreshToken, inTime);
}

/** @throws RefreshError `SALESFORCE_REFUSED` where there is nothing to send: an exchange that was made brought no refresh token */
function keptToken({ refreshToken }: TokenRecord, operatorSecret: string): { readonly refreshToken: Redacted } {
  if (refreshToken === undefined) throw tokenMissing('refresh', operatorSecret);
  return { refreshToken: new Redacted(refreshToken) };
}
