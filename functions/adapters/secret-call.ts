import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { SecretVersion } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import { behindArn, text } from './aws-answer.ts';
import { type AwsCall, unreadable } from './aws-call.ts';

/** What every call of Secrets Manager has in common: its errors in our words, and how a version is read out of an answer. */
export function call(operation: string, resource: string): AwsCall {
  // What a call for many secrets is refused for says nothing of one.
  const meanings = resource === '*' ? {} : meaningsFor(resource);
  return { action: `secretsmanager:${operation}`, resource, unavailable: 'SECRETS_UNAVAILABLE', meanings };
}

/** A version as GetSecretValue and BatchGetSecretValue give it. */
export const ValueEntry = v.object({ VersionId: text, SecretString: text, SecretBinary: v.optional(v.unknown()) });
type ValueEntry = v.InferOutput<typeof ValueEntry>;

export function versionOf(name: string, entry: ValueEntry): SecretVersion {
  const version = readVersion(name, entry);
  if (version instanceof RefreshError) throw version;
  return version;
}

export function readVersion(
  name: string,
  { VersionId, SecretString, SecretBinary }: ValueEntry,
): SecretVersion | RefreshError {
  if (typeof VersionId === 'string' && typeof SecretString === 'string')
    return { versionId: VersionId, value: new Redacted(SecretString) };
  if (typeof VersionId !== 'string' || SecretBinary === undefined || SecretBinary === null)
    return unreadable(call('GetSecretValue', name));
  return new RefreshError(
    'SECRET_MALFORMED',
    `The secret ${name} holds bytes, not text.`,
    `Store the value of ${name} as text (SecretString): one JSON object.`,
  );
}

/** The name in the ARN of a secret, which ends in six characters of Secrets Manager's own. */
export function nameInArn(arn: string | null | undefined): string | undefined {
  return behindArn(arn, ':secret:')?.replace(/-[A-Za-z0-9]{6}$/, '');
}

/**
 * Which of the names that were asked for an answer means: it may say the name, the ARN, or the ARN without its last six characters. A name may end
 * as an ARN does, so the ARN is taken for a whole one first.
 */
export function meant(id: string | null | undefined, names: readonly string[]): string | undefined {
  const meanings = [id, nameInArn(id), behindArn(id, ':secret:')];
  return meanings.map((meaning) => names.find((name) => name === meaning)).find((name) => name !== undefined);
}

export function notFound(name: string, cause?: Error): RefreshError {
  return new RefreshError(
    'SECRET_NOT_FOUND',
    `There is no secret ${name}, or it has no current value.`,
    `Create the secret ${name} in this Region, or correct the name of the connection.`,
    cause,
  );
}

function meaningsFor(resource: string): NonNullable<AwsCall['meanings']> {
  return {
    ResourceNotFoundException: (cause) => notFound(resource, cause),
    InvalidRequestException: (cause) => inDeletion(resource, cause),
    DecryptionFailure: (cause) => keyTrouble(resource, 'decrypted', cause),
    EncryptionFailure: (cause) => keyTrouble(resource, 'encrypted', cause),
  };
}

/** Secrets Manager's InvalidRequestException means the state of the secret: nearly always that it is to be deleted. */
export function inDeletion(name: string, cause?: Error): RefreshError {
  return new RefreshError(
    'SECRET_NOT_FOUND',
    `The secret ${name} cannot be used in the state it is in: it is probably scheduled for deletion.`,
    `Restore the secret with: aws secretsmanager restore-secret --secret-id ${name}`,
    cause,
  );
}

export function keyTrouble(name: string, verb: string, cause?: Error): RefreshError {
  return new RefreshError(
    'ACCESS_DENIED',
    `The secret ${name} cannot be ${verb}: its KMS key is disabled, deleted or not ours to use.`,
    {
      kind: 'allow',
      what: `kms:Decrypt and kms:GenerateDataKey on the KMS key of ${name}`,
      also: "and in the key's policy; enable the key if it is disabled",
    },
    cause,
  );
}
