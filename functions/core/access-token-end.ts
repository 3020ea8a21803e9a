import * as v from 'valibot';
import type { Redacted } from './redacted.ts';

/** The first second of the year 2000. What is smaller is no time: a duration, perhaps. */
const FIRST_SECOND = 946_684_800;
/** The last second of the year 9999. What ends later has a date that no ISO 8601 timestamp of four digits spells, and no end that matters. */
const LAST_SECOND = 253_402_300_799;

/** RFC 7519 section 4.1.4: epoch seconds, perhaps with a fraction. Some write them as text. */
const Claims = v.object({ exp: v.union([v.number(), v.pipe(v.string(), v.regex(/^\d{1,20}(?:\.\d{1,20})?$/))]) });

/** A date from epoch seconds, or from milliseconds, which are no seconds of any year below 10000; `undefined` where no token could end then. */
export function dateAt(epochSeconds: number): Date | undefined {
  const seconds = epochSeconds > LAST_SECOND ? epochSeconds / 1000 : epochSeconds;
  return isEpoch(seconds) ? new Date(Math.floor(seconds * 1000)) : undefined;
}

function isEpoch(seconds: number): boolean {
  return seconds >= FIRST_SECOND && seconds <= LAST_SECOND;
}

/** When what lives for so many seconds from `at` (epoch milliseconds) ends. A number too large for a life may itself be the time of the end. */
export function endAfter(seconds: number, at: number): Date | undefined {
  if (seconds < FIRST_SECOND) return seconds > 0 ? dateAt(at / 1000 + seconds) : undefined;
  const end = dateAt(seconds);
  return end !== undefined && end.getTime() > at ? end : undefined;
}

/** The earliest of the ends that are known; null where none is. */
export function earliest(...ends: readonly (Date | null | undefined)[]): Date | null {
  return ends.reduce<Date | null>(
    (first, end) => (end instanceof Date && (first === null || end < first) ? end : first),
    null,
  );
}

/** When an access token ends, as far as the reply that brought it says (`expiresAt`), or the token itself. */
export function endOf(token: {
  readonly accessToken: Redacted | undefined;
  readonly expiresAt?: Date | undefined;
}): Date | null {
  return earliest(token.expiresAt, token.accessToken && jwtEnd(token.accessToken.reveal()));
}

/** `exp` of a JWT in compact form (RFC 7515 section 7.1). It is not verified: Salesforce does that, and what is no JWT is opaque to us. */
function jwtEnd(token: string): Date | undefined {
  const [header = '', claims = '', signature, ...more] = token.split('.');
  if (signature === undefined || more.length > 0 || objectIn(header) === undefined) return undefined;
  const parsed = v.safeParse(Claims, objectIn(claims));
  return parsed.success ? dateAt(Number(parsed.output.exp)) : undefined;
}

function objectIn(segment: string): object | undefined {
  if (!/^[\w-]+={0,2}$/.test(segment)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(segment, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
