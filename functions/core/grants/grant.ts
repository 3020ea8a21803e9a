import type { Connection, HandOver } from '../connection/connection.ts';
import type { Target } from '../connection/target.ts';
import type { Context } from '../context.ts';
import type { Credentials } from '../credentials.ts';
import { RefreshError } from '../errors.ts';
import type { Profile, SecretVersion } from '../ports.ts';
import type { Redacted } from '../redacted.ts';
import type { OwnRun } from '../token-rotation/look.ts';

/** What was read of a secret: its current version, what is wrong with it, or `undefined` where nothing was. */
export type Read = SecretVersion | RefreshError | undefined;

/** One connection being served: what was gathered for it. */
export interface Serving extends Context {
  readonly target: Target;
  readonly profile: Profile;
  /** All that changes something is left out. */
  readonly dryRun: boolean;
  /** The connection's token secret, which only some grants have. */
  readonly tokenSecret: Read;
  /** What AppFlow lists for Salesforce, asked once a run; `undefined` where it gives no list. */
  readonly supportedGrants: () => Promise<ReadonlySet<string> | undefined>;
}

/** Credentials that are ready for AppFlow. */
export interface Obtained {
  readonly credentials: Credentials;
  readonly handOver: HandOver;
  /** When what AppFlow is given ends; null where nobody says. */
  readonly validUntil: Date | null;
  /** What to try, once, after AppFlow tried these credentials in vain. */
  readonly renewed: () => Promise<Obtained>;
}

/** How the credentials of a connection are obtained. One file each, and nothing outside it knows which grant a connection has. */
export interface Grant {
  readonly connection: Connection;
  /** What AppFlow is given, as far as it is known before anything is obtained. */
  readonly handOver: (tokenSecret: Read) => HandOver;
  /**
   * Obtains credentials and lets `use` hand them over while it is safe to.
   *
   * @returns what was used; `in-progress` where another run is at it
   * @throws RefreshError the codes of the token endpoint, of the stores and of the signer; what `use` throws
   */
  obtain(serving: Serving, use: (obtained: Obtained) => Promise<void>): Promise<Obtained | 'in-progress'>;
  /** Finishes what an earlier run had to leave undone although the profile is up to date. */
  finish(serving: Serving): Promise<void>;
  /** Whether `obtain` asks Salesforce in a dry run, too: then a dry run that succeeded has proved what `prove` would. */
  readonly dryRunProves: boolean;
  /**
   * Asks Salesforce whether a refresh would work now. Nothing is spent, nothing is changed.
   *
   * @throws RefreshError `SALESFORCE_REFUSED` where it would not; the codes of the token endpoint, of the stores and of the signer
   */
  prove(context: Context): Promise<Proof>;
  /**
   * Our last run, by what we keep ourselves; `undefined` where we keep nothing that tells.
   *
   * @throws RefreshError `SECRETS_UNAVAILABLE`, `ACCESS_DENIED`
   */
  lastRun(context: Context): Promise<OwnRun | undefined>;
}

/** What Salesforce said of the credentials that the next refresh would send. */
export interface Proof {
  /** `unproven`: it was not asked, since nobody may, or it did not say. That is no failure. */
  readonly state: 'proven' | 'unproven';
  /** In words for people, without a full stop; of what is unproven, why. */
  readonly detail: string;
  /** Of the access token that AppFlow was given, where we keep it and nothing else was given: whether Salesforce still takes it. */
  readonly session?: 'lives' | 'ended';
}

/** An access token by itself: AppFlow takes one under AUTHORIZATION_CODE, whichever grant it came from. */
export function accessTokenAlone(accessToken: Redacted): Credentials {
  return { oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken };
}

/** The end of an access token, held against the interval: one whose end nobody knows is taken to last. */
export function outlivesInterval(validUntil: Date | null, { target, run }: Serving): boolean {
  return validUntil === null || secondsUntil(validUntil, run.now()) >= target.intervalSeconds;
}

/** @throws RefreshError `LIFETIME_TOO_SHORT` where the access token is known to end before the next refresh */
export function checkAccessTokenLife(validUntil: Date | null, serving: Serving): void {
  if (validUntil === null || outlivesInterval(validUntil, serving)) return;
  const { connection, intervalSeconds } = serving.target;
  const seconds = secondsUntil(validUntil, serving.run.now());
  throw new RefreshError(
    'LIFETIME_TOO_SHORT',
    `The access token of ${connection} lives ${seconds} s, and the next refresh comes after ${intervalSeconds} s.`,
    `Lengthen the session timeout of the connected app or of the integration user's profile, or set the tag refresh-interval-seconds of ${connection} to ${Math.max(seconds, 60)} or less. An app that issues access tokens as JWTs has a timeout of its own for them, of 30 minutes at most: lengthen it, or turn such tokens off.`,
  );
}

function secondsUntil(end: Date, now: number): number {
  return Math.floor((end.getTime() - now) / 1000);
}
