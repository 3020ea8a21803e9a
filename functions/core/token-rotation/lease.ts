import { v5 as uuid5 } from 'uuid';
import * as v from 'valibot';
import { outOfTime } from '../errors.ts';
import { Redacted } from '../redacted.ts';
import { type Lease, RELEASED, type RotationContext, restoreFromEscrow } from './lease-held.ts';
import { box, fingerprintOf, jsonOrUndefined, parseRecord, type TokenRecord } from './token-record.ts';

/** The label of the last lease. */
const LEASE = 'REFRESH_LEASE';

/** Milliseconds that a lease outlives the deadline of its run: the function is dead by then. */
const LEASE_MARGIN = 10_000;
/** Milliseconds that must be left before a token is spent: one request to Salesforce, and then to store what came back. */
const EXCHANGE_RESERVE = 15_000;
const LeaseValue = v.object({ owner: v.string(), heldUntil: v.pipe(v.string(), v.isoTimestamp()) });

/**
 * Steps 1 and 2 of the protocol of protocol.ts: read, then take the lease.
 *
 * @returns `held` where another run's lease holds; `again` where the state moved under our eyes
 */
export async function takeLease(rotation: RotationContext): Promise<Lease | 'held' | 'again'> {
  const { connection, tokenSecret, run } = rotation;
  const { store } = rotation.ports;
  if (run.deadline - run.now() < EXCHANGE_RESERVE) throw outOfTime(`the wait of ${connection.name} for its turn`);
  const current = await store.current(tokenSecret, run);
  if (current === undefined) {
    await create(rotation);
    return 'again';
  }
  const record = parseRecord(current.value, rotation);
  // After the value, and both labels in one call: a lease taken since then makes our own collide.
  const stages = await store.stages(tokenSecret, run);
  if (stages.get('AWSCURRENT') !== current.versionId) return 'again';
  const last = stages.get(LEASE);
  const releasedId = stages.get(RELEASED);
  const standing = await standingOf(last, releasedId, rotation);
  if (standing === 'held') return 'held';
  // The version's id goes into the name, not the namespace: whoever starts a rotation may choose one that is no UUID.
  const leaseId = uuid5(`${tokenSecret} ${current.versionId}: lease after ${last ?? 'none'}`, uuid5.URL);
  const heldUntil = new Date(run.deadline + LEASE_MARGIN).toISOString();
  const value = new Redacted(JSON.stringify({ owner: run.id, heldUntil }));
  const put = await store.put({ name: tokenSecret, versionId: leaseId, value, stages: [LEASE] }, run);
  if (put === 'exists') return 'again';
  // If the last run died after the store had refused a new token, that token lies in escrow. It is fetched under our own lease: two runs at it could
  // throw away what a third has put there. Where it cannot be fetched our lease is left to run out, so that the next run looks there too.
  if (standing === 'ran-out' && (await restoreFromEscrow(current.versionId, rotation))) {
    await store.moveStage({ name: tokenSecret, stage: RELEASED, from: releasedId, to: leaseId }, run);
    return 'again';
  }
  return { current, record, leaseId, releasedId };
}

/** How the last lease stands. A run that released its lease left nothing behind; one whose lease ran out is dead. */
async function standingOf(
  last: string | undefined,
  releasedId: string | undefined,
  { ports, tokenSecret, run }: RotationContext,
): Promise<'free' | 'held' | 'ran-out'> {
  if (last === undefined || last === releasedId) return 'free';
  const value = await ports.store.version(tokenSecret, last, run);
  // A version with a label is never gone: what is not found was put a moment ago.
  if (value === undefined) return 'held';
  const parsed = v.safeParse(LeaseValue, jsonOrUndefined(value));
  return parsed.success && Date.parse(parsed.output.heldUntil) > run.now() ? 'held' : 'ran-out';
}

/** Makes the token secret from the seed. A code is no token yet, so its fingerprint is kept only once it has been exchanged. */
async function create({ connection, ports: { store }, tokenSecret, run }: RotationContext): Promise<void> {
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
    await store.put({ name: tokenSecret, versionId, value: box(record) }, run);
}
