import * as v from 'valibot';
import { RefreshError } from '../errors.ts';
import { Redacted } from '../redacted.ts';
import type { RotationContext } from './rotation-context.ts';
import { box, jsonOrUndefined, TokenRecord } from './token-record.ts';

/** What an advanced parameter holds. */
const MOST_BYTES = 8_192;

/** A record on its way into the store: the version that it follows and the one it would become. */
export interface Escrowed {
  readonly after: string;
  readonly versionId: string;
  readonly record: TokenRecord;
}

const EscrowedValue = v.object({ after: v.string(), versionId: v.string(), record: TokenRecord });

/**
 * Puts a record that the store has not taken into escrow.
 *
 * @returns where it lies, for people
 */
export async function keepInEscrow(escrowed: Escrowed, { connection, ports, run }: RotationContext): Promise<string> {
  const {
    accessToken: _dropped,
    obtainedAt: _too,
    accessTokenExpiresAt: _also,
    ...withoutAccessToken
  } = escrowed.record;
  const whole = JSON.stringify(escrowed);
  // Two tokens at the limit of their length do not fit into a parameter; an access token can be had again.
  const value =
    Buffer.byteLength(whole) > MOST_BYTES ? JSON.stringify({ ...escrowed, record: withoutAccessToken }) : whole;
  return ports.escrow.keep(connection.name, new Redacted(value), run);
}

/** Stores what lies in escrow, if it follows the current version; anything else there is history. */
export async function restoreFromEscrow(rotation: RotationContext): Promise<void> {
  const { connection, ports, tokenSecret, run } = rotation;
  const { store, escrow } = ports;
  const found = await escrow.find(connection.name, run);
  if (found === undefined) return;
  const escrowed = v.safeParse(EscrowedValue, jsonOrUndefined(found));
  if (escrowed.success) {
    const { after, versionId, record } = escrowed.output;
    const current = await store.current(tokenSecret, run);
    if (current?.versionId === after) {
      const put = await store.put({ name: tokenSecret, versionId, value: box(record) }, run);
      // Nobody puts another value under this id; if somebody did, what lies in escrow must not be thrown away.
      if (put === 'exists') throw notRestored(rotation);
    }
  }
  await escrow.remove(connection.name, run);
}

function notRestored({ connection, tokenSecret, operatorSecret }: RotationContext): RefreshError {
  return new RefreshError(
    'TOKEN_NOT_PERSISTED',
    `The refresh token that lies in escrow for ${connection.name} cannot be stored in ${tokenSecret}: another value holds its version id.`,
    {
      kind: 'do',
      text: `Find out who else writes to ${tokenSecret}. Keep that secret and what lies in escrow; authorise the app again and store the new refresh token in ${operatorSecret}.`,
      command: { name: 'authorize', connection: connection.name },
    },
  );
}
