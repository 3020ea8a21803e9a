import {
  CreateSecretCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
  type SecretsManagerServiceException,
} from '@aws-sdk/client-secrets-manager';
import { awsErrorKind, isUnanswered, translateAwsError } from '../../functions/adapters/aws-call.ts';
import { orRefreshError, RefreshError } from '../../functions/core/errors.ts';
import type { Secrets } from '../../functions/core/ports.ts';
import type { Redacted } from '../../functions/core/redacted.ts';
import { withRetries } from '../../functions/core/retry.ts';
import type { Run } from '../../functions/core/run.ts';
import { inputError } from './session.ts';

/** Writing the operator's secrets: what the functions never do, and only a person at this command line does. */
export interface OperatorSecrets {
  /** @throws RefreshError `INPUT_INVALID` where it exists already */
  create(secret: NewSecret, run: Run): Promise<void>;
  /** A new current version. */
  replace(name: string, value: Redacted, run: Run): Promise<void>;
}

export interface NewSecret {
  readonly name: string;
  readonly value: Redacted;
  readonly tags: Readonly<Record<string, string>>;
  /** Of KMS, to encrypt the secret with; the account's own for Secrets Manager unless given. */
  readonly encryptionKey: string | undefined;
}

/** Milliseconds to find out whether a write has arrived. */
const LOOK_UP = 10_000;

/** @param secrets tell whether a write whose answer was lost has arrived */
export function operatorSecrets(secrets: Pick<Secrets, 'value'>): OperatorSecrets {
  const client = new SecretsManagerClient({ maxAttempts: 1 });
  const call = async (operation: string, name: string, run: Run, send: () => Promise<unknown>) => {
    try {
      await withRetries(run, send, (error) => awsErrorKind(error) === 'transient');
    } catch (error) {
      if (isUnanswered(error) && (await isThere(name, run))) return;
      const action = `secretsmanager:${operation}`;
      throw translateAwsError(
        error,
        { action, resource: name, unavailable: 'SECRETS_UNAVAILABLE', meanings: meanings(name) },
        run,
      );
    }
  };
  // A version is called by the run that put it. The run's own time may be over.
  const isThere = async (name: string, run: Run) => {
    const fresh = { ...run, signal: AbortSignal.timeout(LOOK_UP), deadline: run.now() + LOOK_UP };
    const found = await orRefreshError(() => secrets.value(name, fresh));
    return !(found instanceof RefreshError) && found.versionId === run.id;
  };
  return {
    // The run's id as token: a repeated request makes no second version.
    create({ name, value, tags, encryptionKey }, run) {
      const command = new CreateSecretCommand({
        Name: name,
        ClientRequestToken: run.id,
        SecretString: value.reveal(),
        Description: 'How appflow-token-refresher gets the credentials of one Salesforce connection.',
        Tags: Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
        ...(encryptionKey === undefined ? {} : { KmsKeyId: encryptionKey }),
      });
      return call('CreateSecret', name, run, () => client.send(command, { abortSignal: run.signal }));
    },
    replace(name, value, run) {
      const command = new PutSecretValueCommand({
        SecretId: name,
        ClientRequestToken: run.id,
        SecretString: value.reveal(),
      });
      return call('PutSecretValue', name, run, () => client.send(command, { abortSignal: run.signal }));
    },
  };
}

/** Names of Secrets Manager's errors. */
type Meaning = (cause: Error) => RefreshError;

function meanings(name: string): Record<SecretsManagerServiceException['name'], Meaning> {
  return {
    ResourceExistsException: () => alreadyThere(name),
    InvalidRequestException: () =>
      inputError(
        `The secret ${name} is scheduled for deletion.`,
        `Restore it with: aws secretsmanager restore-secret --secret-id ${name}`,
      ),
    EncryptionFailure: (cause) =>
      new RefreshError(
        'ACCESS_DENIED',
        `The secret ${name} cannot be encrypted with its KMS key.`,
        'Name an enabled key that you may use (kms:GenerateDataKey and kms:Decrypt).',
        cause,
      ),
  };
}

export function alreadyThere(name: string): RefreshError {
  return inputError(
    `The secret ${name} exists already, and nothing of it is overwritten.`,
    'Choose another name, or change that secret. A new refresh token for it is what authorize stores.',
  );
}
