import { v5 as uuid5 } from 'uuid';
import { RefreshError, Unanswered } from '../errors.ts';
import type { StoredVersion } from '../ports.ts';
import type { Redacted } from '../redacted.ts';
import { publicName } from '../wording.ts';
import { keepInEscrow, restoreFromEscrow } from './escrow.ts';
import { type Lease, releaseLease, takeNextLease } from './lease.ts';
import { HAND_OVER_RESERVE_MS, type RotationContext, SLOW_PUT_MS } from './rotation-context.ts';
import { box, type TokenRecord } from './token-record.ts';

/** Milliseconds between two attempts to store a token: at first, and at the most. */
const FIRST_WAIT = 200;
const LONGEST_WAIT = 5_000;

/** The lease in the hands of this run: what was obtained under it, whether that is safe, and its release. */
export class LeaseHeld {
  #lease: Lease;
  #rotation: RotationContext;
  /** The version that was current when the lease had been taken. */
  #current: StoredVersion | undefined;
  #record: TokenRecord | undefined;
  /** The id under which the new record is to be stored. */
  #versionId = '';
  #stages: readonly string[] | undefined;
  /** `unsafe` where the store did not take the new record: the lease is then left to run out, which sends the next run to escrow. */
  #state: 'clean' | 'obtained' | 'persisted' | 'unsafe' = 'clean';
  #notPersisted: RefreshError | undefined;
  /** Where the new record was put besides, for people. */
  #place: string | undefined;
  /** Whether escrow was asked to keep something, whatever it answered. */
  #isEscrowTouched = false;
  #isReleasable = true;

  constructor(lease: Lease, rotation: RotationContext) {
    this.#lease = lease;
    this.#rotation = rotation;
  }

  /**
   * Step 3 of the protocol: what is current, read under the lease and never before it, since the run before may have stored a token until
   * then. Where that run did not release its lease, what it left in escrow is stored first.
   *
   * @returns `undefined` where the secret has lost its current version, or its answers contradict each other
   */
  async current(): Promise<StoredVersion | undefined> {
    const { ports, tokenSecret, run } = this.#rotation;
    if (!this.#lease.followsRelease) {
      // Under the lease, since two runs at it could throw away what a third has put there. Should it fail, the next run must look there too.
      this.#isReleasable = false;
      await restoreFromEscrow(this.#rotation);
      this.#isReleasable = true;
    }
    const { followsRelease, currentId } = this.#lease;
    const current = await ports.store.current(tokenSecret, run);
    // Nobody may have moved it since the labels were read. If it differs, one of the two answers is out of date.
    if (followsRelease && current?.versionId !== currentId) return undefined;
    this.#current = current;
    // From what it follows, too: a secret that was deleted and made again knows the same leases.
    this.#versionId = uuid5(`next after ${this.#current?.versionId}`, this.#lease.leaseId);
    return this.#current;
  }

  /** A request under this lease got no answer, so it may still arrive: nobody may take over before it cannot any more. */
  mayStillArrive(): void {
    this.#isReleasable = false;
  }

  obtained(record: TokenRecord, rotationVersionId: string | undefined): void {
    this.#record = record;
    this.#state = 'obtained';
    if (rotationVersionId === undefined) return;
    this.#versionId = rotationVersionId;
    this.#stages = ['AWSCURRENT', 'AWSPENDING'];
  }

  /**
   * Stores the new record as AWSCURRENT. What the store refuses, or does not answer in time, goes into escrow besides, and the store is
   * asked until close to the deadline; what it has not taken by then is reported after the hand-over.
   */
  async persist(): Promise<void> {
    if (this.#record === undefined) return;
    const value = box(this.#record);
    const given = this.#rotation;
    // While the token may be lost, the deadline aborts nothing: only Lambda itself does.
    const run = { ...given.run, signal: new AbortController().signal };
    this.#rotation = { ...given, run };
    for (let wait = FIRST_WAIT; ; wait = Math.min(wait * 2, LONGEST_WAIT)) {
      const attempt = this.#tryPut(value);
      if (await this.#isSlow(attempt)) await this.#keep(this.#record);
      const refusal = await attempt;
      if (refusal === undefined) break;
      this.#state = 'unsafe';
      await this.#keep(this.#record);
      this.#notPersisted = this.#error(refusal);
      // A token that is nowhere yet is worth more than a hand-over.
      const reserve = this.#place === undefined ? 0 : HAND_OVER_RESERVE_MS;
      if (run.now() + wait >= run.deadline - reserve) return;
      await run.sleep(wait * (0.5 + run.random() / 2));
    }
    this.#rotation = given;
    this.#state = 'persisted';
    this.#notPersisted = undefined;
    if (this.#isEscrowTouched) await this.#emptyEscrow();
  }

  /** Lets `use` do something with the tokens. */
  async use<H, T>(held: H, use: (held: H) => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await use(held);
    } catch (error) {
      if (error instanceof Unanswered) this.mayStillArrive();
      if (this.#notPersisted !== undefined) {
        this.#warn('the hand-over failed as well', error);
        throw this.#notPersisted;
      }
      if (this.#state === 'obtained') await this.#keepAccessToken();
      throw error;
    }
    if (this.#notPersisted !== undefined) throw this.#notPersisted;
    return result;
  }

  async release(): Promise<void> {
    if (this.#state === 'unsafe' || !this.#isReleasable || this.#isOver()) return;
    try {
      await releaseLease(this.#lease, this.#rotation);
    } catch (error) {
      this.#warn(
        'the lease on its token secret was not released; the next refresh may have to wait up to four minutes',
        error,
      );
    }
  }

  /** One attempt, which never rejects. @returns what went wrong */
  async #tryPut(value: Redacted): Promise<unknown> {
    const { ports, tokenSecret: name, run } = this.#rotation;
    const stages = this.#stages === undefined ? {} : { stages: this.#stages };
    try {
      if (!(await this.#isOurs())) return new Error('another run has taken over');
      const put = await ports.store.put({ name, versionId: this.#versionId, value, ...stages, attempts: 1 }, run);
      return put === 'put' ? undefined : new Error('another value holds the version id');
    } catch (error) {
      return error;
    }
  }

  async #isSlow(attempt: Promise<unknown>): Promise<boolean> {
    const timer = this.#rotation.run.timer(SLOW_PUT_MS);
    const isSlow = await Promise.race([attempt.then(() => false), timer.rung.then(() => true)]);
    timer.cancel();
    return isSlow;
  }

  /** Whether the lease may have run out: nothing may be sent under it any more. */
  #isOver(): boolean {
    return this.#rotation.run.now() >= this.#lease.lastRequestAt;
  }

  /** Whether nobody has taken over: certain while the lease holds, and asked of the store where the run has slept beyond it. */
  async #isOurs(): Promise<boolean> {
    if (!this.#isOver()) return true;
    const next = await takeNextLease(this.#lease, this.#rotation);
    if (next === undefined) return false;
    this.#lease = next;
    return true;
  }

  /** Into escrow, unless it is there already. */
  async #keep(record: TokenRecord): Promise<void> {
    if (this.#place !== undefined || this.#current === undefined) return;
    const escrowed = { after: this.#current.versionId, versionId: this.#versionId, record };
    try {
      // Another run looks there under its own lease, and what comes after it would stay for ever.
      if (!(await this.#isOurs())) return;
      this.#isEscrowTouched = true;
      this.#place = await keepInEscrow(escrowed, this.#rotation);
    } catch (error) {
      if (error instanceof Unanswered) this.mayStillArrive();
      this.#warn('the new refresh token could not be put into escrow', error);
    }
  }

  /** What cannot be taken out of escrow is history. The lease is then left to run out, which sends the next run there. */
  async #emptyEscrow(): Promise<void> {
    const { connection, ports, run } = this.#rotation;
    try {
      if (!(await this.#isOurs())) return this.mayStillArrive();
      await ports.escrow.remove(connection.name, run);
    } catch (error) {
      this.mayStillArrive();
      this.#warn(
        'the refresh token is stored, but its copy in escrow could not be deleted; the next refresh tries again',
        error,
      );
    }
  }

  /** Only the access token is new, and the hand-over failed. Storing it saves the next attempt an exchange. */
  async #keepAccessToken(): Promise<void> {
    if (this.#record?.accessToken === undefined || this.#isOver()) return;
    const refusal = await this.#tryPut(box(this.#record));
    if (refusal === undefined) return;
    if (refusal instanceof Unanswered) this.mayStillArrive();
    this.#warn('the new access token was not stored; the next refresh exchanges again', refusal);
  }

  #error(cause: unknown): RefreshError {
    const { connection, tokenSecret, operatorSecret } = this.#rotation;
    if (this.#place !== undefined) {
      return new RefreshError(
        'TOKEN_NOT_PERSISTED',
        `A new refresh token could not be stored in ${tokenSecret}. It is kept in ${this.#place}.`,
        `See why ${tokenSecret} takes no value (quota, key policy, outage). The next run stores the token from there by itself; do not delete it, and do not delete the secret.`,
        cause,
      );
    }
    return new RefreshError(
      'TOKEN_NOT_PERSISTED',
      `A new refresh token could not be stored in ${tokenSecret}. It could not be put into escrow either.`,
      {
        kind: 'do',
        text: `See why neither ${tokenSecret} nor Parameter Store takes a value; if no later run succeeds, authorise the app again and store the new refresh token in ${operatorSecret}.`,
        command: { name: 'authorize', connection: connection.name },
      },
      cause,
    );
  }

  #warn(what: string, error: unknown): void {
    const reason =
      error instanceof RefreshError
        ? `${error.code}, ${error.message}`
        : publicName(error instanceof Error ? error.name : undefined);
    this.#rotation.run.warn(this.#rotation.connection.name, `${what} (${reason})`);
  }
}
