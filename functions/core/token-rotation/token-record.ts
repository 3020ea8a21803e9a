import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { endOf } from '../access-token-end.ts';
import type { AuthorizationCodeConnection, Seed } from '../connection/connection.ts';
import { RefreshError } from '../errors.ts';
import type { Tokens } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import { asObject, objectIn } from '../secret-text.ts';

/** What a token secret holds: for other programs to read, never to write. Dates are ISO 8601. */
export const TokenRecord = v.object({
  connection: v.string(),
  refreshToken: v.optional(v.string()),
  accessToken: v.optional(v.string()),
  /** When the access token was obtained. */
  obtainedAt: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  /** When the access token ends, where Salesforce's reply or the token itself said so. */
  accessTokenExpiresAt: v.optional(v.pipe(v.string(), v.isoTimestamp())),
  /** Whether Salesforce was ever seen to return a new refresh token: then AppFlow is given the access token alone. */
  rotates: v.boolean(),
  /** SHA-256 of the seed that these tokens come from. */
  seedFingerprint: v.optional(v.string()),
});
export type TokenRecord = v.InferOutput<typeof TokenRecord>;

/** What was sent to Salesforce in an exchange, and what came back. */
export interface Exchanged {
  /** Whether the connection's seed was sent, or the record's refresh token. */
  readonly fromSeed: boolean;
  readonly tokens: Tokens;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** The record that follows from an exchange. */
export function nextRecord(
  connection: AuthorizationCodeConnection,
  record: TokenRecord,
  { fromSeed, tokens, at }: Exchanged,
): TokenRecord {
  const { seed } = connection;
  const isCode = fromSeed && 'authCode' in seed;
  const sent = fromSeed && 'refreshToken' in seed ? seed.refreshToken.reveal() : record.refreshToken;
  const received = tokens.refreshToken?.reveal();
  const refreshToken = received ?? (isCode ? undefined : sent);
  const accessToken = tokens.accessToken?.reveal();
  const end = endOf(tokens);
  return {
    connection: connection.name,
    ...(refreshToken === undefined ? {} : { refreshToken }),
    ...(accessToken === undefined ? {} : { accessToken, obtainedAt: new Date(at).toISOString() }),
    ...(end === null ? {} : { accessTokenExpiresAt: end.toISOString() }),
    // Every code brings a refresh token: that is no sign of rotation.
    rotates: record.rotates || (!isCode && received !== undefined && received !== sent),
    seedFingerprint: fingerprintOf(seed),
  };
}

/** @throws RefreshError `SECRET_MALFORMED` where the token secret holds something that we did not write */
export function parseRecord(
  value: Redacted,
  { tokenSecret, operatorSecret }: { readonly tokenSecret: string; readonly operatorSecret: string },
): TokenRecord {
  const result = v.safeParse(TokenRecord, jsonOrUndefined(value));
  if (result.success) return result.output;
  throw new RefreshError(
    'SECRET_MALFORMED',
    `${tokenSecret} does not hold what we wrote: somebody else changed it.`,
    `Move AWSCURRENT of ${tokenSecret} back to the version before. Where that is no help, authorise the app again, store the new refresh token in ${operatorSecret}, and then delete ${tokenSecret}.`,
  );
}

/** Whether the stored record says that rotation is on; false where nothing is stored or readable. For checks that come before the protocol. */
export function knownToRotate(stored: Redacted | undefined): boolean {
  if (stored === undefined) return false;
  const result = v.safeParse(TokenRecord, jsonOrUndefined(stored));
  return result.success && result.output.rotates;
}

/** Whether these tokens come from that seed; false where nothing is stored or readable. */
export function comesFrom(stored: Redacted | undefined, seed: Seed): boolean {
  if (stored === undefined) return false;
  const result = v.safeParse(TokenRecord, jsonOrUndefined(stored));
  return result.success && result.output.seedFingerprint === fingerprintOf(seed);
}

export function jsonOrUndefined(value: Redacted): unknown {
  try {
    return JSON.parse(value.reveal());
  } catch {
    return undefined;
  }
}

export function box(record: TokenRecord): Redacted {
  return new Redacted(JSON.stringify(record));
}

export function fingerprintOf(seed: Seed): string {
  const parts =
    'refreshToken' in seed
      ? ['refreshToken', seed.refreshToken.reveal()]
      : ['authCode', seed.authCode.reveal(), seed.redirectUri];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}

const SeedHolder = v.union([
  v.object({ refreshToken: v.string() }),
  v.object({ oAuthRequest: v.object({ authCode: v.string(), redirectUri: v.string() }) }),
]);

/** Whether the value of an operator's secret holds that seed. */
export function holdsSeed(value: Redacted, seed: Seed): boolean {
  const read = objectIn(value);
  if ('problem' in read) return false;
  const { oAuthRequest } = read.object;
  const result = v.safeParse(SeedHolder, { ...read.object, oAuthRequest: asObject(oAuthRequest) ?? oAuthRequest });
  if (!result.success) return false;
  const { output } = result;
  const held: Seed =
    'refreshToken' in output
      ? { refreshToken: new Redacted(output.refreshToken) }
      : { authCode: new Redacted(output.oAuthRequest.authCode), redirectUri: output.oAuthRequest.redirectUri };
  return fingerprintOf(held) === fingerprintOf(seed);
}

/** What a complete record gives to whoever may use it. */
export interface StoredTokens {
  readonly accessToken: Redacted;
  readonly refreshToken: Redacted;
  /** When the access token ends, where that is known. */
  readonly expiresAt?: Date;
  readonly rotates: boolean;
}

/** @throws RefreshError `SALESFORCE_REFUSED` or `SALESFORCE_REPLY_UNREADABLE` where one of the tokens was never issued */
export function tokensIn(record: TokenRecord, operatorSecret: string): StoredTokens {
  const { accessToken, refreshToken, accessTokenExpiresAt, rotates } = record;
  if (refreshToken === undefined) throw tokenMissing('refresh', operatorSecret);
  if (accessToken === undefined) throw tokenMissing('access', operatorSecret);
  return {
    accessToken: new Redacted(accessToken),
    refreshToken: new Redacted(refreshToken),
    ...(accessTokenExpiresAt === undefined ? {} : { expiresAt: new Date(accessTokenExpiresAt) }),
    rotates,
  };
}

/** An exchange brought one token without the other. Without an access token, the refresh token that came is kept, and the next exchange may bring one. */
export function tokenMissing(kind: 'access' | 'refresh', operatorSecret: string): RefreshError {
  if (kind === 'access') {
    return new RefreshError('SALESFORCE_REPLY_UNREADABLE', 'Salesforce issued no access token that can be read.', {
      kind: 'wait',
      ifItDoes: `Check that loginUrl in ${operatorSecret} is the login host of an org, not a site or a proxy. A refresh token that came with the answer is kept.`,
    });
  }
  return new RefreshError(
    'SALESFORCE_REFUSED',
    'Salesforce issued no refresh token.',
    `Give the connected app the scope refresh_token (offline_access), authorise it again and store the new code or refresh token in ${operatorSecret}.`,
  );
}
