import { v5 as uuid5 } from 'uuid';
import * as v from 'valibot';
import type { AuthorizationCodeConnection } from '../connection/connection.ts';
import { RefreshError } from '../errors.ts';
import type { ClientAuth, Escrow, SecretVersion, TokenEndpoint, TokenStore } from '../ports.ts';
import { Redacted } from '../redacted.ts';
import type { Run } from '../run.ts';
import { box, jsonOrUndefined, TokenRecord } from './token-record.ts';

/** The label of the last lease that its run released. */
export const RELEASED = 'REFRESH_RELEASED';

/** What an advanced parameter holds. */
const MOST_ESCROW_BYTES = 8_192;
/** Milliseconds before the deadline at which the store is given up, so that AppFlow can still be handed the access token. */
const HAND_OVER_RESERVE = 10_000;

/** What escrow holds: the record, and the version it follows and would have become. */
const Kept = v.object({ after: v.string(), versionId: v.string(), record: TokenRecord });

/** What the protocol needs for one connection. */
export interface RotationContext {
  readonly connection: AuthorizationCodeConnection;
  readonly ports: { readonly store: TokenStore; readonly escrow: Escrow };
  readonly endpoint: TokenEndpoint;
  /** Read only when an exchange is due. */
  readonly client: () => Promise<ClientAuth>;
  /** Full name of the token secret. */
  readonly tokenSecret: string;
  /** Full name of the operator's secret. */
  readonly operatorSecret: string;
  readonly run: Run;
}

/** A lease that this run has taken, and what it was taken upon. */
export interface Lease {
  readonly current: SecretVersion;
  readonly record: TokenRecord;
  readonly leaseId: string;
  /** The version that carries REFRESH_RELEASED, which a release must name. */
  readonly releasedId: string | undefined;
}

/** The lease in the hands of this run: what was obtained under it, whether that is safe, and its release. */
export class LeaseHeld {
  readonly #lease: Lease;
  readonly #rotation: RotationContext;
  #run: Run;
  #record: TokenRecord | undefined;
  #versionId: string;
  #stages: readonly string[] | undefined;
  /** `unsafe` where the store did not take the new record: the lease is then left to run out, which sends the next run to escrow. */
  #state: 'clean' | 'obtained' | 'persisted' | 'unsafe' = 'clean';
  #notPersisted: RefreshError | undefined;
  /** Whether something is left in escrow although it was stored. */
  #leavesEscrow = false;

  constructor(lease: Lease, rotation: RotationContext) {
    this.#lease = lease;
    this.#rotation = rotation;
    this.#run = rotation.run;
    this.#versionId = uuid5('next', lease.leaseId);
  }

  obtained(record: TokenRecord, rotationVersionId: string | undefined): void {
    this.#record = record;
    this.#state = 'obtained';
    if (rotationVersionId === undefined) return;
    this.#versionId = rotationVersionId;
    this.#stages = ['AWSCURRENT', 'AWSPENDING'];
  }

  /** Stores the new record as AWSCURRENT; what the store refuses until close to the deadline stays in escrow and is reported after the hand-over. */
  async persist(): Promise<void> {
    if (this.#record === undefined) return;
    const value = box(this.#record);
    // From here on a token may be lost, so the deadline aborts nothing: only Lambda itself does.
    this.#run = { ...this.#run, signal: new AbortController().signal };
    let place: string | undefined;
    for (let wait = 200; ; wait = Math.min(wait * 2, 5_000)) {
      const refusal = await this.#tryPut(value);
      if (refusal === undefined) {
        this.#state = 'persisted';
        this.#notPersisted = undefined;
        if (place !== undefined) await this.#emptyEscrow();
        return;
      }
      this.#state = 'unsafe';
      place ??= await this.#keep(this.#record);
      this.#notPersisted = this.#error(place, refusal);
      if (this.#run.now() + wait >= this.#run.deadline - HAND_OVER_RESERVE) return;
      await this.#run.sleep(wait * (0.5 + this.#run.random() / 2));
    }
  }

  /** What cannot be taken out of escrow is history. The lease is then left to run out, which sends the next run there. */
  async #emptyEscrow(): Promise<void> {
    try {
      await this.#rotation.ports.escrow.remove(this.#rotation.connection.name, this.#run);
    } catch (error) {
      this.#leavesEscrow = true;
      this.#warn(
        'the refresh token is stored, but its copy in escrow could not be deleted; the next refresh tries again',
        error,
      );
    }
  }

  /** One attempt. @returns what went wrong */
  async #tryPut(value: Redacted): Promise<unknown> {
    const { ports, tokenSecret: name } = this.#rotation;
    const stages = this.#stages === undefined ? {} : { stages: this.#stages };
    try {
      const put = await ports.store.put({ name, versionId: this.#versionId, value, ...stages, attempts: 1 }, this.#run);
      return put === 'put' ? undefined : new Error('another value holds the version id');
    } catch (error) {
      return error;
    }
  }

  async #keep(record: TokenRecord): Promise<string | undefined> {
    const { accessToken: _dropped, obtainedAt: _too, ...withoutAccessToken } = record;
    const kept = (what: TokenRecord) =>
      JSON.stringify({ after: this.#lease.current.versionId, versionId: this.#versionId, record: what });
    // Two tokens at the limit of their length do not fit into a parameter; an access token can be had again.
    const value = Buffer.byteLength(kept(record)) > MOST_ESCROW_BYTES ? kept(withoutAccessToken) : kept(record);
    try {
      return await this.#rotation.ports.escrow.keep(record.connection, new Redacted(value), this.#run);
    } catch (error) {
      this.#warn('the new refresh token could not be put into escrow', error);
      return undefined;
    }
  }

  #error(place: string | undefined, cause: unknown): RefreshError {
    const { tokenSecret, operatorSecret } = this.#rotation;
    return new RefreshError(
      'TOKEN_NOT_PERSISTED',
      `A new refresh token could not be stored in ${tokenSecret}. ${place === undefined ? 'It could not be put into escrow either' : `It is kept in ${place}`}.`,
      place === undefined
        ? `See why neither ${tokenSecret} nor Parameter Store takes a value; if no later run succeeds, authorise the app again and store the new refresh token in ${operatorSecret}.`
        : `See why ${tokenSecret} takes no value (quota, key policy, outage). The next run stores the token from there by itself; do not delete it.`,
      cause,
    );
  }

  async use<H, T>(held: H, use: (held: H) => Promise<T>): Promise<T> {
    let result: T;
    try {
      result = await use(held);
    } catch (error) {
      if (this.#notPersisted !== undefined) throw this.#notPersisted;
      if (this.#state === 'obtained') await this.#keepAccessToken();
      throw error;
    }
    if (this.#notPersisted !== undefined) throw this.#notPersisted;
    return result;
  }

  /** Nothing but the access token is new, and it did not arrive: stored, it saves the next attempt an exchange. Nothing is lost without it. */
  async #keepAccessToken(): Promise<void> {
    if (this.#record === undefined) return;
    const refusal = await this.#tryPut(box(this.#record));
    if (refusal !== undefined)
      this.#warn('the new access token was not stored; the next refresh exchanges again', refusal);
  }

  async release(): Promise<void> {
    if (this.#state === 'unsafe' || this.#leavesEscrow) return;
    const { releasedId: from, leaseId: to } = this.#lease;
    const { ports, tokenSecret: name } = this.#rotation;
    try {
      await ports.store.moveStage({ name, stage: RELEASED, from, to }, this.#run);
    } catch (error) {
      this.#warn('the lease on its token secret was not released; the next refresh may have to wait a minute', error);
    }
  }

  #warn(what: string, error: unknown): void {
    const reason =
      error instanceof RefreshError
        ? `${error.code}, ${error.message}`
        : error instanceof Error
          ? error.name
          : 'unknown';
    this.#run.warn(this.#rotation.connection.name, `${what} (${reason})`);
  }
}

/**
 * Stores what lies in escrow, if it follows the current version; anything else there is history.
 *
 * @returns whether the store has moved on
 */
export async function restoreFromEscrow(
  currentId: string,
  { connection: { name: connection }, ports: { store, escrow }, tokenSecret, run }: RotationContext,
): Promise<boolean> {
  const found = await escrow.find(connection, run);
  if (found === undefined) return false;
  const kept = v.safeParse(Kept, jsonOrUndefined(found));
  const follows = kept.success && kept.output.after === currentId;
  if (follows) {
    const { versionId, record } = kept.output;
    const put = await store.put({ name: tokenSecret, versionId, value: box(record) }, run);
    // Nobody puts another value under this id; if somebody did, what lies in escrow must not be thrown away.
    if (put === 'exists') throw notRestored(connection, tokenSecret);
  }
  await escrow.remove(connection, run);
  return follows;
}

function notRestored(connection: string, tokenSecret: string): RefreshError {
  return new RefreshError(
    'TOKEN_NOT_PERSISTED',
    `The refresh token that lies in escrow for ${connection} cannot be stored in ${tokenSecret}: another value holds its version id.`,
    `Find out who else writes to ${tokenSecret}; then delete that secret and run refresh for ${connection}, or authorise the app again.`,
  );
}
