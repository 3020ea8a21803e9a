import { v5 as uuid5 } from 'uuid';
import * as v from 'valibot';
import { outOfTime } from './aws-error.ts';
import { type Claimed, RELEASED, type RotationPorts, restoreFromEscrow } from './claim-held.ts';
import type { AuthorizationCodeConnection } from './connection.ts';
import { Redacted } from './redacted.ts';
import type { Run } from './run.ts';
import { box, fingerprintOf, jsonOrUndefined, parseRecord, type TokenRecord } from './token-record.ts';

const CLAIM = 'REFRESH_CLAIM';

/** Milliseconds that a claim outlives the deadline of its run: the function is dead by then. */
const CLAIM_MARGIN = 10_000;
/** Milliseconds that must be left before a token is spent: one request to Salesforce, and then to store what came back. */
const EXCHANGE_RESERVE = 15_000;
const Claim = v.object({ owner: v.string(), heldUntil: v.pipe(v.string(), v.isoTimestamp()) });

/**
 * Steps 1 and 2 of the protocol of rotation.ts: read, then claim.
 *
 * @returns `held` where another run's claim holds; `again` where the state moved under our eyes
 */
export async function claim(
  connection: AuthorizationCodeConnection,
  ports: RotationPorts,
  run: Run,
): Promise<Claimed | 'held' | 'again'> {
  const { store, tokenSecret } = ports;
  if (run.deadline - run.now() < EXCHANGE_RESERVE) throw outOfTime(`the wait of ${connection.name} for its turn`);
  const current = await store.current(tokenSecret, run);
  if (current === undefined) {
    await create(connection, ports, run);
    return 'again';
  }
  const record = parseRecord(current.value, ports);
  // After the value, and both labels in one call: a claim made since then makes our own claim collide.
  const stages = await store.stages(tokenSecret, run);
  if (stages.get('AWSCURRENT') !== current.versionId) return 'again';
  const last = stages.get(CLAIM);
  const releasedId = stages.get(RELEASED);
  const standing = await standingOf(last, releasedId, ports, run);
  if (standing === 'held') return 'held';
  // The version's id goes into the name, not the namespace: whoever starts a rotation may choose one that is no UUID.
  const claimId = uuid5(`${tokenSecret} ${current.versionId}: claim after ${last ?? 'none'}`, uuid5.URL);
  const heldUntil = new Date(run.deadline + CLAIM_MARGIN).toISOString();
  const value = new Redacted(JSON.stringify({ owner: run.id, heldUntil }));
  const put = await store.put(tokenSecret, claimId, value, [CLAIM], run);
  if (put === 'exists') return 'again';
  // If the last run died after the store had refused a new token, that token lies in escrow. It is fetched under our own claim: two runs at it could
  // throw away what a third has put there. Where it cannot be fetched our claim is left to lapse, so that the next run looks there too.
  if (standing === 'lapsed' && (await restoreFromEscrow(connection.name, current.versionId, ports, run))) {
    await store.moveStage(tokenSecret, RELEASED, releasedId, claimId, run);
    return 'again';
  }
  return { current, record, claimId, releasedId };
}

/** How the last claim stands. A run that let its claim go left nothing behind; one whose claim lapsed is dead. */
async function standingOf(
  last: string | undefined,
  releasedId: string | undefined,
  { store, tokenSecret }: RotationPorts,
  run: Run,
): Promise<'free' | 'held' | 'lapsed'> {
  if (last === undefined || last === releasedId) return 'free';
  const value = await store.version(tokenSecret, last, run);
  // A version with a label is never gone: what is not found was put a moment ago.
  if (value === undefined) return 'held';
  const parsed = v.safeParse(Claim, jsonOrUndefined(value));
  return parsed.success && Date.parse(parsed.output.heldUntil) > run.now() ? 'held' : 'lapsed';
}

/** Makes the token secret from the seed. A code is no token yet, so its fingerprint is kept only once it has been exchanged. */
async function create(
  connection: AuthorizationCodeConnection,
  { store, tokenSecret }: RotationPorts,
  run: Run,
): Promise<void> {
  const { seed } = connection;
  const fingerprint = fingerprintOf(seed);
  const record: TokenRecord =
    'refreshToken' in seed
      ? {
          connection: connection.name,
          refreshToken: seed.refreshToken.reveal(),
          rotates: false,
          seedFingerprint: fingerprint,
        }
      : { connection: connection.name, rotates: false };
  const versionId = uuid5(`${tokenSecret} from ${fingerprint}`, uuid5.URL);
  if ((await store.create(tokenSecret, versionId, box(record), run)) === 'put') return;
  // Made beforehand without a value, so that its key and policy are the operator's: give it the first one.
  if ((await store.current(tokenSecret, run)) === undefined)
    await store.put(tokenSecret, versionId, box(record), undefined, run);
}
