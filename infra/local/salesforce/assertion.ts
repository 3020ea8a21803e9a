import { createPublicKey, X509Certificate } from 'node:crypto';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import * as v from 'valibot';
import { Refused } from './replies.ts';

const Claims = v.object({
  iss: v.string(),
  sub: v.string(),
  aud: v.string(),
  exp: v.pipe(v.number(), v.finite()),
  jti: v.optional(v.string()),
});

interface AssertionRules {
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly audiences: readonly string[];
  /** A cap on how far off `exp` may be. Salesforce shows none: its own CLI sends milliseconds, and they are taken. */
  readonly maximumSeconds: number | undefined;
  /** The app whose consumer key is `iss`. */
  readonly app: (
    clientId: string,
  ) => { certificates?: readonly string[] | undefined; users?: readonly string[] | undefined } | undefined;
  readonly userIsActive: (username: string) => boolean;
  /** False if an assertion with this `jti` was accepted before. */
  readonly firstUse: (clientId: string, jti: string) => boolean;
}

/**
 * Checks the assertion of a JWT bearer grant (RFC 7523, section 3, as Salesforce reads it): who signed it, for whom, and
 * whether it still holds. Throws `Refused`.
 */
export async function verifyAssertion(
  assertion: string,
  rules: AssertionRules,
): Promise<{ clientId: string; username: string }> {
  const claims = unverifiedClaims(assertion);
  const app = rules.app(claims.iss);
  if (!app) throw new Refused('CLIENT_ID');
  if (!(await signedByOneOf(assertion, app.certificates ?? [], rules.now))) throw new Refused('INVALID_ASSERTION');
  if (!rules.audiences.includes(claims.aud)) throw new Refused('AUDIENCE');
  const remainingSeconds = claims.exp - rules.now / 1000;
  if (remainingSeconds <= 0) throw new Refused('CODE_EXPIRED');
  if (rules.maximumSeconds !== undefined && remainingSeconds > rules.maximumSeconds) throw new Refused('CODE_EXPIRED');
  if (!app.users?.includes(claims.sub)) throw new Refused('NOT_APPROVED');
  if (!rules.userIsActive(claims.sub)) throw new Refused('INACTIVE_USER');
  if (claims.jti !== undefined && !rules.firstUse(claims.iss, claims.jti)) throw new Refused('INVALID_ASSERTION');
  return { clientId: claims.iss, username: claims.sub };
}

function unverifiedClaims(assertion: string): v.InferOutput<typeof Claims> {
  try {
    if (decodeProtectedHeader(assertion).alg !== 'RS256') throw new Error('not RS256');
    return v.parse(Claims, decodeJwt(assertion));
  } catch {
    throw new Refused('INVALID_ASSERTION');
  }
}

async function signedByOneOf(assertion: string, pems: readonly string[], now: number): Promise<boolean> {
  for (const pem of pems) {
    if (hasEnded(pem, now)) continue;
    try {
      await compactVerify(assertion, createPublicKey(pem), { algorithms: ['RS256'] });
      return true;
    } catch {
      // Another certificate of the app may be the right one.
    }
  }
  return false;
}

function hasEnded(pem: string, now: number): boolean {
  return pem.includes('BEGIN CERTIFICATE') && new X509Certificate(pem).validToDate.getTime() <= now;
}
