import { RefreshError } from '../errors.ts';
import type { Tagged } from '../ports.ts';
import { isConnectionName } from './target.ts';

/** The tag by which a KMS key or a client secret says which connections it serves; `-2` to `-9` go on where a value is full. */
export const SERVES_TAG = 'appflow-token-refresher-connections';
/** In place of names: any connection of this account and Region. */
const ANY = ':any';
/** The most characters of a tag's value, in KMS and Secrets Manager alike. */
const LONGEST_VALUE = 256;

const TAGS: readonly string[] = [SERVES_TAG, ...Array.from({ length: 8 }, (_, n) => `${SERVES_TAG}-${n + 2}`)];

/** Whether the tags of a key or client secret name the connection. Names are separated by spaces; without the tag, nobody is served. */
export function serves(tags: ReadonlyMap<string, string>, connection: string): boolean {
  return TAGS.some((tag) => {
    const names = namesIn(tags.get(tag));
    return names.includes(connection) || names.includes(ANY);
  });
}

function namesIn(value = ''): string[] {
  return value.split(' ').filter((name) => name === ANY || isConnectionName(name));
}

/**
 * The one tag to set so that the connection is served too: those that are served stay so.
 *
 * @returns `undefined` where all nine are full
 */
export function tagToServe(
  tags: ReadonlyMap<string, string>,
  connection: string,
): { readonly key: string; readonly value: string } | undefined {
  for (const key of TAGS) {
    const value = [...namesIn(tags.get(key)), connection].join(' ');
    if (value.length <= LONGEST_VALUE) return { key, value };
  }
  return undefined;
}

/** What is guarded by the tag. */
export type Guarded = 'KMS key' | 'client secret';

/**
 * Checks that a key or client secret says itself that it serves the connection: whoever may write the connection's secret could name any.
 *
 * @throws RefreshError `ACCESS_DENIED` with the command that adds the connection
 */
export function checkServes(guarded: Guarded, { arn, tags }: Tagged, connection: string): void {
  if (!serves(tags, connection)) throw notServed(guarded, arn, connection, tags);
}

/** A key without the tag may not even be looked at: the roles admit keys that have it. */
export function keyUnseen(id: string, connection: string, cause: Error): RefreshError {
  const tag = { key: SERVES_TAG, value: connection };
  const command = id.includes('alias/')
    ? `the key behind ${id} gets the tag ${SERVES_TAG} = ${connection}`
    : commandFor('KMS key', id, tag);
  return new RefreshError(
    'ACCESS_DENIED',
    `kms:DescribeKey or kms:ListResourceTags on ${id} is denied: the functions may use no key without the tag ${SERVES_TAG}.`,
    `If the key should sign for ${connection} and has no such tag: ${command}. If it has, its policy must allow kms:DescribeKey, kms:ListResourceTags and kms:Sign.`,
    cause,
  );
}

function notServed(guarded: Guarded, id: string, connection: string, tags: ReadonlyMap<string, string>): RefreshError {
  const tag = tagToServe(tags, connection);
  return new RefreshError(
    'ACCESS_DENIED',
    `The ${guarded} ${id} does not say that it serves ${connection}: its tag ${SERVES_TAG} does not name it.`,
    tag === undefined
      ? `Make room in the tags ${SERVES_TAG} to ${SERVES_TAG}-9 of the ${guarded}, or set the first to ${ANY}.`
      : `If it should, its owner runs: ${commandFor(guarded, id, tag)}`,
  );
}

/** Values hold neither quotes nor backslashes: they are names of connections. */
function commandFor(
  guarded: Guarded,
  id: string,
  { key, value }: { readonly key: string; readonly value: string },
): string {
  return guarded === 'KMS key'
    ? `aws kms tag-resource --key-id ${id} --tags 'TagKey=${key},TagValue=${value}'`
    : `aws secretsmanager tag-resource --secret-id ${id} --tags 'Key=${key},Value=${value}'`;
}
