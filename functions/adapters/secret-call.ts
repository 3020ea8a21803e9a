import { RefreshError } from '../core/errors.ts';
import type { SecretVersion } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import type { AwsCall } from './aws-call.ts';

/** What every call of Secrets Manager has in common: its errors in our words, and how a version is read out of an answer. */
export function call(operation: string, resource: string): AwsCall {
  // What a call for many secrets is refused for says nothing of one.
  const meanings = resource === '*' ? {} : meaningsFor(resource);
  return { action: `secretsmanager:${operation}`, resource, unavailable: 'SECRETS_UNAVAILABLE', meanings };
}

interface ValueEntry {
  readonly VersionId?: string | undefined;
  readonly SecretString?: string | undefined;
}

export function versionOf(name: string, entry: ValueEntry): SecretVersion {
  const version = readVersion(name, entry);
  if (version instanceof RefreshError) throw version;
  return version;
}

export function readVersion(name: string, { VersionId, SecretString }: ValueEntry): SecretVersion | RefreshError {
  if (VersionId !== undefined && SecretString !== undefined)
    return { versionId: VersionId, value: new Redacted(SecretString) };
  return new RefreshError(
    'SECRET_MALFORMED',
    `The secret ${name} holds bytes, not text.`,
    `Store the value of ${name} as text (SecretString): one JSON object.`,
  );
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
