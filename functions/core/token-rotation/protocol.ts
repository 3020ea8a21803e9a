import * as v from 'valibot';
import { RefreshError } from '../errors.ts';
import type { Tokens } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import { takeLease } from './lease.ts';
import { type Lease, LeaseHeld, type RotationContext } from './lease-held.ts';
import {
  fingerprintOf,
  holdsSeed,
  jsonOrUndefined,
  nextRecord,
  type StoredTokens,
  TokenRecord,
  tokenMissing,
  tokensIn,
} from './token-record.ts';

/**
 * The protocol by which a refresh token is spent once and never lost. Under refresh token rotation each token works once, and a second
 * use revokes the whole family, so every exchange of an AUTHORIZATION_CODE connection goes through here, whoever asks:
 *
 * 1. Read the token secret's AWSCURRENT and its staging labels.
 * 2. Lease: put a version under an id that follows from AWSCURRENT's id and from the last lease's id, labelled REFRESH_LEASE. Of several runs that
 *    saw the same state one succeeds. It proves, before the token is spent, that we may write and encrypt.
 * 3. Exchange once.
 * 4. Persist as AWSCURRENT, in one call; at the first refusal into escrow, then on until the deadline.
 * 5. Use (hand over to AppFlow) while the lease is held, so that an older token never overwrites a newer one there.
 * 6. Release: put the label REFRESH_RELEASED on the lease. A lease that was not released runs out just after its function's timeout.
 *
 * Ids are chained to the last lease instead of counted: a counter would have to be searched for among old versions, and starts anew once they are
 * pruned; the chain needs the one `DescribeSecret` that reads both labels at once.
 */

/** At two new versions a refresh (one without rotation) and 100 versions a day: seconds. */
const SHORTEST_INTERVAL = { rotating: 1_800, steady: 900 } as const;

/** What is wanted of the protocol. */
export type Demand =
  /** A person asked: exchange. */
  | { readonly kind: 'exchange' }
  /** The queue asked: exchange, unless the last run stored a token and died, or AppFlow failed, before it was handed over. */
  | { readonly kind: 'exchange-unless-stored'; readonly profileUpdatedAt: Date; readonly intervalSeconds: number }
  /** Secrets Manager asked: exchange, and store under its id, unless that is done. */
  | { readonly kind: 'rotate'; readonly versionId: string }
  /** No exchange: see to it that what lies in escrow is stored. */
  | { readonly kind: 'restore' }
  /** No exchange: hold the lease while the version, if still current, is used. */
  | { readonly kind: 'stored'; readonly versionId: string };

/** The tokens in the hands of the run that holds the lease. */
export interface Held extends StoredTokens {
  /** False where the access token came from the store. */
  readonly exchanged: boolean;
}

export type Rotation<T> =
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
  use: (held: Held) => Promise<T>,
): Promise<Rotation<T>> {
  // Each turn of the loop means that somebody else moved the state; nobody moves it often.
  for (let turn = 0; turn < 4; turn++) {
    const lease = await takeLease(rotation);
    if (lease === 'again') continue;
    if (lease === 'held') return { outcome: 'in-progress' };
    const held = new LeaseHeld(lease, rotation);
    try {
      const tokens = await obtain(rotation, demand, lease, held);
      if (tokens === 'superseded') return { outcome: 'superseded' };
      if (tokens === 'again') continue;
      if (tokens === 'outdated') return { outcome: 'in-progress' };
      return { outcome: 'done', result: await held.use(tokens, use) };
    } finally {
      await held.release();
    }
  }
  return { outcome: 'in-progress' };
}

/** Refuses an interval at which a day's versions would not fit into one secret. */
export function checkInterval(connection: string, intervalSeconds: number, rotates: boolean): void {
  const shortest = rotates ? SHORTEST_INTERVAL.rotating : SHORTEST_INTERVAL.steady;
  if (intervalSeconds >= shortest) return;
  const versions = rotates ? 2 : 1;
  throw new RefreshError(
    'INTERVAL_TOO_SHORT',
    `Every ${intervalSeconds} s with ${versions} secret version${versions === 1 ? '' : 's'} a refresh makes ${Math.ceil((86_400 / intervalSeconds) * versions)} versions a day, and a secret may hold about 100.`,
    `Set the tag refresh-interval-seconds of ${connection} to ${shortest} or more.`,
  );
}

/** Whether the stored record says that rotation is on; false where nothing is stored or readable. For checks that come before the protocol. */
export function knownToRotate(stored: Redacted | undefined): boolean {
  if (stored === undefined) return false;
  const result = v.safeParse(TokenRecord, jsonOrUndefined(stored));
  return result.success && result.output.rotates;
}

async function obtain(
  rotation: RotationContext,
  demand: Demand,
  { current, record }: Lease,
  held: LeaseHeld,
): Promise<Held | 'again' | 'superseded' | 'outdated'> {
  const {
    connection,
    ports: { store },
    tokenSecret,
    operatorSecret,
    run,
  } = rotation;
  // Taking the lease has done it.
  if (demand.kind === 'restore') return 'superseded';
  const isReauthorised = record.seedFingerprint !== fingerprintOf(connection.seed);
  if (demand.kind === 'stored' || demand.kind === 'rotate') {
    if (current.versionId === demand.versionId) return { ...tokensIn(record, operatorSecret), exchanged: false };
    if (demand.kind === 'stored') return 'superseded';
    // The version was current once: the rotation is done, and a refresh has come after it.
    if ((await store.version(tokenSecret, demand.versionId, run)) !== undefined) return 'superseded';
  }
  if (
    demand.kind === 'exchange-unless-stored' &&
    !isReauthorised &&
    record.accessToken !== undefined &&
    record.obtainedAt !== undefined
  ) {
    const obtainedAt = Date.parse(record.obtainedAt);
    const age = run.now() - obtainedAt;
    // A date in the future comes from a clock that was wrong, and says nothing.
    const isYoung = age >= 0 && age < demand.intervalSeconds * 1000;
    if (isYoung && obtainedAt > demand.profileUpdatedAt.getTime())
      return { ...tokensIn(record, operatorSecret), exchanged: false };
  }
  if (isReauthorised) {
    // The seed was read before the lease. Since then a person may have stored another, and a sibling have used that: then this one is the old one.
    const now = await store.current(operatorSecret, run);
    if (now === undefined || !holdsSeed(now.value, connection.seed)) return 'outdated';
  }
  const tokens = await exchange(rotation, isReauthorised, record).catch(async (error: unknown) => {
    if (!(error instanceof RefreshError) || error.code !== 'SALESFORCE_REFUSED') throw error;
    // Perhaps the token was refused because it is not the live one: look once whether the store has moved on.
    const now = await store.current(tokenSecret, run);
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
    record.accessToken === undefined ||
    next.rotates !== record.rotates;
  held.obtained(next, demand.kind === 'rotate' ? demand.versionId : undefined);
  if (needsVersion) await held.persist();
  return { ...tokensIn(next, operatorSecret), exchanged: true };
}

async function exchange(rotation: RotationContext, fromSeed: boolean, record: TokenRecord): Promise<Tokens> {
  const { connection, endpoint, client, operatorSecret, run } = rotation;
  const { seed } = connection;
  // Nothing to send: an exchange that was made brought no refresh token.
  if (!fromSeed && record.refreshToken === undefined) throw tokenMissing('refresh', operatorSecret);
  const auth = await client();
  if (fromSeed && 'authCode' in seed) return endpoint.exchangeCode(auth, seed.authCode, seed.redirectUri, run);
  if (fromSeed && 'refreshToken' in seed) return endpoint.exchangeRefreshToken(auth, seed.refreshToken, run);
  return endpoint.exchangeRefreshToken(auth, new Redacted(record.refreshToken ?? ''), run);
}
