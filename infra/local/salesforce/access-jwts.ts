import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { organizationId, userId } from './replies.ts';
import type { StoredRecord } from './store.ts';

/** One key for every org of this process: making one takes a while, and few tests want any. */
let key: KeyObject | undefined;

/** Access tokens that are JWTs, an option of an app: signed, with an end of their own (RFC 9068 in spirit, Salesforce's own claims). */
export class AccessJwts {
  readonly #ids = new Map<string, string>();

  issue(url: string, { id, payload, issuedAt, expiresAt }: StoredRecord): string {
    key ??= generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
    const iat = Math.floor(issuedAt / 1000);
    const header = {
      tnk: `core/prod/${organizationId}`,
      ver: '1.0',
      kid: 'CORE_ATJWT.LOCAL',
      tty: 'sfdc-core-token',
      typ: 'JWT',
      alg: 'RS256',
    };
    const claims = {
      scp: 'api web id',
      aud: [url],
      sub: `uid:${userId(payload.accountId ?? '')}`,
      nbf: iat,
      mty: 'oauth',
      sfi: id,
      roles: [],
      iss: url,
      hsc: false,
      exp: Math.floor(expiresAt / 1000),
      iat,
      client_id: payload.clientId,
    };
    const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
    const jwt = `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`;
    this.#ids.set(jwt, id);
    return jwt;
  }

  /** Of a JWT that was issued here, to the letter. */
  idOf(sent: string): string | undefined {
    return this.#ids.get(sent);
  }
}
