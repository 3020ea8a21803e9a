import * as v from 'valibot';
import type { Redacted } from './redacted.ts';

/** The first second of the year 2000. What is smaller is no time: a duration, perhaps. */
const FIRST_SECOND = 946_684_800;
/** The last second of the year 9999. What ends later has a date that no ISO 8601 timestamp of four digits spells, and no end that matters. */
const LAST_SECOND = 253_402_300_799;

/** RFC 7519 section 4.1.4: epoch seconds, perhaps with a fraction. */
const Claims = v.object({ exp: v.number() });

/** A date from epoch seconds; `undefined` where no token could end then. */
export function dateAt(epochSeconds: number): Date | undefined {
  if (!(epochSeconds >= FIRST_SECOND && epochSeconds <= LAST_SECOND)) return undefined;
  return new Date(Math.floor(epochSeconds * 1000));
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
  return parsed.success ? dateAt(parsed.output.exp) : undefined;
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
