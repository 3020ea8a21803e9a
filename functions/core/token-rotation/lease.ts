import { v5 as uuid5 } from 'uuid';
import * as v from 'valibot';
import { outOfTime } from '../errors.ts';
import type { StoredVersion } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import { REQUEST_TIMEOUT_MS } from '../run.ts';
import { EXCHANGE_RESERVE_MS, LATENESS_MS, type RotationContext } from './rotation-context.ts';
import { box, fingerprintOf, jsonOrUndefined, type TokenRecord } from './token-record.ts';

/** The staging label of the last lease. */
const LEASE = 'REFRESH_LEASE';
/** The staging label of the last lease that its run released. */
const RELEASED = 'REFRESH_RELEASED';
/** A staging label that means nothing: a version must be asked to have one. */
const FIRST = 'REFRESH_FIRST';

/** What a lease's version holds. How long it holds is a duration: no clock of a run is compared with another's. */
const LeaseValue = v.object({ owner: v.string(), heldSeconds: v.pipe(v.number(), v.integer(), v.minValue(0)) });
/** Seconds for a lease whose value is none that we write: as long as the longest of ours, which `rotate` takes. */
const UNKNOWN_SECONDS = 210;
/** Milliseconds that the age of a version may be off: the `Date` of an answer has whole seconds. */
const AGE_ERROR = 2_000;

/** A lease that this run has taken. */
export interface Lease {
  readonly leaseId: string;
  /** The version that carries REFRESH_RELEASED, which a release must name. */
  readonly releasedId: string | undefined;
  /** Whether the last run let its lease go. One that did not may have left a token in escrow; so may one that knew no lease. */
  readonly followsRelease: boolean;
  /** The version that was AWSCURRENT when the lease was taken. */
  readonly currentId: string | undefined;
  /** Until when a request may be sent under it: epoch milliseconds of the run's own clock, which another run never sees. */
  readonly lastRequestAt: number;
}

/**
 * Steps 1 and 2 of the protocol of protocol.ts: look at the last lease, and take the next.
 *
 * @returns `held-by-another` where another run's lease holds; `again` where the state moved under our eyes
 */
export async function takeLease(rotation: RotationContext): Promise<Lease | 'held-by-another' | 'again'> {
  const { connection, ports, tokenSecret, run } = rotation;
  const { store } = ports;
  if (run.deadline - run.now() < EXCHANGE_RESERVE_MS) throw outOfTime(`the wait of ${connection.name} for its turn`);
  const stages = await store.stages(tokenSecret, run);
  if (!stages.has('AWSCURRENT')) {
    await createTokenSecret(rotation);
    return 'again';
  }
  const last = stages.get(LEASE);
  const releasedId = stages.get(RELEASED);
  const followsRelease = last !== undefined && last === releasedId;
  if (last !== undefined && !followsRelease && (await isHeld(last, rotation))) return 'held-by-another';
  const currentId = stages.get('AWSCURRENT');
  return (await follow(last, { releasedId, followsRelease, currentId }, rotation)) ?? 'again';
}

/**
 * Takes the lease that follows the run's own, which has run out while it slept: a laptop may, a function does not live so long.
 *
 * @returns `undefined` where another run has taken over
 */
export async function takeNextLease(
  { leaseId, ...rest }: Lease,
  rotation: RotationContext,
): Promise<Lease | undefined> {
  return follow(leaseId, rest, rotation);
}

async function follow(
  last: string | undefined,
  rest: Pick<Lease, 'releasedId' | 'followsRelease' | 'currentId'>,
  { ports, tokenSecret, run }: RotationContext,
): Promise<Lease | undefined> {
  // From the last lease alone: whatever else a run has read, at most one takes over from it. The id goes into the name, not the namespace: a
  // version's id need not be a UUID.
  const leaseId = uuid5(`${tokenSecret}: lease after ${last ?? 'none'}`, uuid5.URL);
  // A run that has slept beyond its deadline may still store what it holds.
  const lastRequestAt = Math.max(run.deadline, run.now() + REQUEST_TIMEOUT_MS);
  const heldSeconds = Math.ceil((lastRequestAt - run.now() + LATENESS_MS) / 1000);
  const value = new Redacted(JSON.stringify({ owner: run.id, heldSeconds }));
  const put = await ports.store.put({ name: tokenSecret, versionId: leaseId, value, stages: [LEASE] }, run);
  return put === 'exists' ? undefined : { ...rest, leaseId, lastRequestAt };
}

/** Lets a lease go. To be called only where no request under it can still arrive. */
export async function releaseLease({ leaseId, releasedId }: Lease, rotation: RotationContext): Promise<void> {
  const { ports, tokenSecret: name, run } = rotation;
  await ports.store.moveStage({ name, stage: RELEASED, from: releasedId, to: leaseId }, run);
}

/** Whether an unreleased lease still holds, by the clock of Secrets Manager alone. */
async function isHeld(leaseId: string, { ports, tokenSecret, run }: RotationContext): Promise<boolean> {
  const version = await ports.store.version(tokenSecret, leaseId, run);
  // A version with a label is never gone: what is not found was put a moment ago.
  return version === undefined || version.readAt <= endOf(version);
}

/** When nothing that is done under a lease can arrive any more, however it ended. */
function endOf({ value, createdAt }: StoredVersion): Date {
  const parsed = v.safeParse(LeaseValue, jsonOrUndefined(value));
  const heldSeconds = parsed.success ? parsed.output.heldSeconds : UNKNOWN_SECONDS;
  return new Date(createdAt.getTime() + heldSeconds * 1000 + AGE_ERROR);
}

/** The last lease, as whoever takes none sees it. */
export interface LastLease {
  /** Whether its run has let it go. One that has not may be at work, or have left in escrow what is newer than AWSCURRENT. */
  readonly isReleased: boolean;
  readonly begin: Date;
  /** When nothing that is done under it can arrive any more. */
  readonly end: Date;
}

/** @returns `undefined` where no run has ever taken a lease */
export async function lastLease({
  ports,
  tokenSecret,
  run,
}: Pick<RotationContext, 'ports' | 'tokenSecret' | 'run'>): Promise<LastLease | undefined> {
  const stages = await ports.store.stages(tokenSecret, run);
  const leaseId = stages.get(LEASE);
  const version = leaseId === undefined ? undefined : await ports.store.version(tokenSecret, leaseId, run);
  if (version === undefined) return undefined;
  return { isReleased: leaseId === stages.get(RELEASED), begin: version.createdAt, end: endOf(version) };
}

/** Makes the token secret from the seed. A code is no token yet, so its fingerprint is kept only once it has been exchanged. */
async function createTokenSecret({ connection, ports: { store }, tokenSecret, run }: RotationContext): Promise<void> {
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
  // Made beforehand without a value, so that its key and policy are the operator's: give it the first one. Nobody holds a lease yet, so this request
  // may come after another run's, and must not move AWSCURRENT then: Secrets Manager gives that label to a first version whatever is asked for, and
  // to another, such as beside one that a rotation has announced, only where no version has it.
  await store.put({ name: tokenSecret, versionId, value: box(record), stages: [FIRST] }, run);
  if ((await store.stages(tokenSecret, run)).has('AWSCURRENT')) return;
  await store.moveStage({ name: tokenSecret, stage: 'AWSCURRENT', from: undefined, to: versionId }, run);
}
