import { RefreshError } from '../errors.ts';
import { Redacted } from '../redacted.ts';
import { lastLease } from './lease.ts';
import type { RotationContext } from './rotation-context.ts';
import { fingerprintOf, parseRecord } from './token-record.ts';

/** What Salesforce says of the refresh token that the next exchange would send. Looked at without a lease, so a run may be at work on it. */
export type Finding =
  | { readonly kind: 'active' }
  /** Dead for sure: no run was at work on it, and none had ended without letting its lease go. */
  | { readonly kind: 'dead'; readonly error: RefreshError }
  /** Nobody was asked, or what was said proves nothing; `why` has no full stop. */
  | { readonly kind: 'unknown'; readonly why: string };

/**
 * Introspects the refresh token that the next exchange would send. Nothing is spent, and nothing is written.
 *
 * @throws RefreshError `SALESFORCE_REFUSED` where the client is refused; `SALESFORCE_UNAVAILABLE`, `SECRETS_UNAVAILABLE`, `SECRET_MALFORMED`, …
 */
export async function lookAtToken(rotation: RotationContext): Promise<Finding> {
  const { connection, endpoint, client, run } = rotation;
  const auth = await client();
  if (auth.clientSecret === undefined)
    return {
      kind: 'unknown',
      why: 'without a client secret only a real refresh, which may spend the refresh token, can tell',
    };
  // A second time where the first token was rotated away meanwhile.
  for (let turn = 0; turn < 2; turn++) {
    const next = await nextToken(rotation);
    if (next.token === undefined)
      return { kind: 'unknown', why: 'an authorization code cannot be asked about, only exchanged' };
    const isActive = await endpoint.isActive(auth, next.token, run);
    if (isActive === undefined) return { kind: 'unknown', why: 'Salesforce tells nothing about this refresh token' };
    if (isActive) return { kind: 'active' };
    if ((await nextToken(rotation)).versionId !== next.versionId) continue;
    const lease = await lastLease(rotation);
    if (lease === undefined || lease.isReleased) return { kind: 'dead', error: deadToken(rotation, connection.name) };
    break;
  }
  return {
    kind: 'unknown',
    why: 'the refresh token that is stored was spent, and the run that did so may still store the next one',
  };
}

/** Which token the next exchange would send: the one that is kept, unless a person has stored another seed. `undefined` for a code. */
async function nextToken(rotation: RotationContext) {
  const { connection, ports, tokenSecret, run } = rotation;
  const { seed } = connection;
  const current = await ports.store.current(tokenSecret, run);
  const record = current === undefined ? undefined : parseRecord(current.value, rotation);
  const kept =
    record?.seedFingerprint === fingerprintOf(seed) && record.refreshToken !== undefined
      ? new Redacted(record.refreshToken)
      : undefined;
  return { versionId: current?.versionId, token: kept ?? ('refreshToken' in seed ? seed.refreshToken : undefined) };
}

function deadToken({ operatorSecret }: RotationContext, name: string): RefreshError {
  return new RefreshError(
    'SALESFORCE_REFUSED',
    `Salesforce says that the refresh token of ${name} is not active: it was revoked, has run out, or another program has spent it.`,
    {
      kind: 'do',
      text: `Authorise the app again and store the new refresh token in ${operatorSecret}.`,
      command: { name: 'authorize', connection: name },
    },
  );
}

/** A run of ours: an update of the profile that is ours was made in it. */
export interface OwnRun {
  readonly begin: Date;
  /** When nothing that it has sent can arrive any more. */
  readonly end: Date;
}

/** When the last run began, and when nothing that it has sent can arrive any more; `undefined` where none ever ran. */
export function lastRun(rotation: RotationContext): Promise<OwnRun | undefined> {
  return lastLease(rotation);
}
