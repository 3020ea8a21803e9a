import type { Adapter, AdapterPayload } from 'oidc-provider';

/** What oidc-provider keeps of a token, a code or a grant, and what became of it. Nothing is forgotten, so that a test can ask. */
export interface StoredRecord {
  readonly model: string;
  readonly id: string;
  readonly payload: AdapterPayload;
  /** Milliseconds since the epoch, by the server's clock. */
  readonly issuedAt: number;
  readonly expiresAt: number;
  consumed: boolean;
  revoked: boolean;
}

// The year 9999, in seconds: to oidc-provider nothing ever expires.
const NEVER = 253_402_300_799;

/** How oidc-provider sees every app: secrets are checked before it is asked, and the registered redirect URI is never used. */
const CLIENT: AdapterPayload = {
  token_endpoint_auth_method: 'none',
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  redirect_uris: ['https://unused.invalid/'],
};

/**
 * The storage under oidc-provider, and the way it is given our clock. The library reads `Date.now()` in many places and
 * cannot be told otherwise; but it can only judge what the storage shows it. So the end of every record is kept here by
 * the injected clock: what has ended is not found, and what is found seems to last for ever.
 */
export class SalesforceStore {
  readonly #records = new Map<string, StoredRecord>();
  readonly #now: () => number;
  readonly #isApp: (clientId: string) => boolean;

  constructor(now: () => number, isApp: (clientId: string) => boolean) {
    this.#now = now;
    this.#isApp = isApp;
  }

  /** The record, dead or alive. */
  record(model: string, id: string): StoredRecord | undefined {
    return this.#records.get(`${model}:${id}`);
  }

  live(model: string, id: string): StoredRecord | undefined {
    const record = this.record(model, id);
    return record && !record.revoked && record.expiresAt > this.#now() ? record : undefined;
  }

  /** Every record of a model, oldest first. */
  all(model: string): StoredRecord[] {
    return [...this.#records.values()].filter((record) => record.model === model);
  }

  revokeWhere(matches: (record: StoredRecord) => boolean): void {
    for (const record of this.#records.values()) if (matches(record)) record.revoked = true;
  }

  readonly adapter = (model: string): Adapter => ({
    upsert: async (id, payload, expiresInSeconds) => {
      const issuedAt = this.#now();
      const expiresAt = expiresInSeconds === undefined ? NEVER * 1000 : issuedAt + expiresInSeconds * 1000;
      const record = { model, id, payload, issuedAt, expiresAt, consumed: false, revoked: false };
      this.#records.set(`${model}:${id}`, record);
    },
    find: async (id) => {
      if (model === 'Client') return this.#isApp(id) ? { ...CLIENT, client_id: id } : undefined;
      const record = this.live(model, id);
      return record && { ...record.payload, exp: NEVER, consumed: record.consumed || undefined };
    },
    consume: async (id) => {
      const record = this.record(model, id);
      if (record) record.consumed = true;
    },
    destroy: async (id) => {
      const record = this.record(model, id);
      if (record) record.revoked = true;
    },
    revokeByGrantId: async (grantId) => {
      this.revokeWhere((record) => record.model === model && record.payload.grantId === grantId);
    },
    // Only for sessions and device codes, which this server has none of.
    findByUid: async () => undefined,
    findByUserCode: async () => undefined,
  });
}
