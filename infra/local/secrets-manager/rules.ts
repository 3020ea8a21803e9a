/** What Secrets Manager asks of a request beyond its published shape, in the words with which it refuses. */
import { AwsError } from '../wire/error.ts';
import { invalidParameter } from './errors.ts';
import type { SecretContent } from './versions.ts';

/** Counted in UTF-8, before encryption. */
const MAX_CONTENT_BYTES = 65_536;

export function checkName(name: string): void {
  if (!/^[A-Za-z0-9/_+=.@!-]+$/.test(name)) {
    throw new AwsError(
      'ValidationException',
      'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
    );
  }
}

/** A raw request must bring its own token; the SDKs and the CLI add one. */
export function checkToken(token: string | undefined): string {
  if (token === undefined)
    throw invalidParameter('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
  if (token.length < 32 || token.length > 64)
    throw invalidParameter('ClientRequestToken must be 32-64 characters long.');
  return token;
}

export function contentOf(input: { SecretString?: string; SecretBinary?: string }): SecretContent | undefined {
  const { SecretString, SecretBinary } = input;
  if (SecretString !== undefined && SecretBinary !== undefined) {
    throw invalidParameter(
      "You can't specify both a binary secret value and a string secret value in the same secret.",
    );
  }
  // The published limit counts characters.
  if (Buffer.byteLength(SecretString ?? '') > MAX_CONTENT_BYTES) {
    throw new AwsError(
      'ValidationException',
      `1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to ${MAX_CONTENT_BYTES}`,
    );
  }
  if (SecretString !== undefined) return { SecretString };
  return SecretBinary === undefined ? undefined : { SecretBinary };
}

/** Tags as pairs. What all tags of a resource together must keep to is checked against the keys that it has already. */
export function checkedTags(
  tags: readonly { readonly Key?: string; readonly Value?: string }[],
  held: Iterable<string> = [],
): (readonly [key: string, value: string])[] {
  const keys = tags.map(({ Key = '' }) => Key);
  if (new Set(keys).size !== keys.length) throw invalidParameter('Duplicate tag keys found.');
  if (new Set([...held, ...keys]).size > 50) throw invalidParameter('A secret can have at most 50 tags.');
  return tags.map(({ Key = '', Value = '' }) => {
    if (Key.toLowerCase().startsWith('aws:')) throw invalidParameter("Tag keys can't start with aws:.");
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(Key + Value))
      throw invalidParameter('A tag holds characters that are not allowed.');
    return [Key, Value] as const;
  });
}

/** A rotation schedule may not be closer than four hours. */
export function checkSchedule(expression = ''): void {
  const rate = /^rate\((\d+) (hour|day)s?\)$/.exec(expression);
  if (rate?.[2] === 'hour' && Number(rate[1]) < 4) {
    throw invalidParameter('Rotation schedule expression invalid. The minimum rotation frequency is every four hours.');
  }
}
