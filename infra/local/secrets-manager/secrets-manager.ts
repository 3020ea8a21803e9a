/** Secrets Manager: https://docs.aws.amazon.com/secretsmanager/latest/apireference/ */
import type { Access } from '../wire/access.ts';
import type { Environment } from '../wire/environment.ts';
import { AwsError, operation, type Service, seconds } from '../wire/wire.ts';
import { createSecretPermissions } from './permissions.ts';
import { readingOperations } from './reading.ts';
import { createRotations, type InvokeFunction } from './rotation.ts';
import { checkName, checkRules, checkTags, checkToken, contentOf, invalid, shapes } from './rules.ts';
import { createSecretsState, type SecretsState } from './state.ts';
import { createSecretStore, type Secret } from './store.ts';
import { putVersion, type SecretContent, type SecretVersion, updateStage } from './versions.ts';

export interface SecretsManager {
  readonly service: Service;
  readonly state: SecretsState;
  /** AWSCURRENT by ARN or name, as another AWS service reads it. */
  readForService(secretId: string): string | undefined;
}

export function createSecretsManager(
  env: Environment,
  access: Access,
  invoke: InvokeFunction | undefined,
): SecretsManager {
  const store = createSecretStore(env);
  const rotations = createRotations(env, store, invoke);
  const permissions = createSecretPermissions(env, access, store);
  const { need } = permissions;
  const state = createSecretsState(env, store, rotations);
  const reading = readingOperations(store, access, permissions, () => state.listLagSeconds);
  return {
    service: { name: 'secretsmanager', protocol: 'json1.1', operations: { ...reading, ...writing() } },
    state,
    readForService,
  };

  function readForService(secretId: string): string | undefined {
    const secret = store
      .all()
      .find(({ name, arn, deletedAt }) => deletedAt === undefined && (name === secretId || arn === secretId));
    return secret && state.read(secret.name);
  }

  function put(
    secret: Secret,
    id: string,
    content: SecretContent,
    stages: readonly string[] = ['AWSCURRENT'],
  ): SecretVersion {
    permissions.checkKey(secret, 'kms:GenerateDataKey');
    const { version, changed } = putVersion(secret.versions, { id, content, stages, now: env.now() });
    if (changed) store.changed(secret);
    return version;
  }

  function writing(): Service['operations'] {
    const { secretOnly } = shapes;
    return {
      CreateSecret: operation(
        shapes.createSecret,
        (input) => [
          need('CreateSecret', input.Name),
          ...(input.Tags.length > 0 ? [need('TagResource', input.Name)] : []),
        ],
        (input) => {
          checkName(input.Name);
          checkTags(input.Tags);
          const token = checkToken(input.ClientRequestToken);
          const content = contentOf(input);
          const existing = store.all().find(({ name }) => name === input.Name);
          if (existing?.deletedAt !== undefined) {
            throw new AwsError(
              'InvalidRequestException',
              "You can't create this secret because a secret with this name is already scheduled for deletion.",
            );
          }
          if (existing !== undefined) {
            // The same call again, its first answer lost: nothing happens, and it succeeds.
            const same =
              content !== undefined &&
              JSON.stringify(existing.versions.get(token)?.content) === JSON.stringify(content);
            if (same) return { ARN: existing.arn, Name: existing.name, VersionId: token };
            throw new AwsError(
              'ResourceExistsException',
              `The operation failed because the secret ${input.Name} already exists.`,
            );
          }
          const secret = store.create(input.Name);
          secret.description = input.Description;
          secret.kmsKeyId = input.KmsKeyId;
          for (const { Key, Value } of input.Tags) secret.tags.set(Key, Value);
          try {
            if (content !== undefined) put(secret, token, content);
          } catch (error) {
            store.remove(secret);
            throw error;
          }
          store.changed(secret);
          return { ARN: secret.arn, Name: secret.name, ...(content !== undefined && { VersionId: token }) };
        },
      ),
      PutSecretValue: operation(
        shapes.putSecretValue,
        (input) => [need('PutSecretValue', input.SecretId)],
        (input) => {
          const token = checkToken(input.ClientRequestToken);
          const content = contentOf(input);
          if (content === undefined) {
            throw new AwsError('InvalidRequestException', 'You must provide either SecretString or SecretBinary.');
          }
          const secret = store.live(input.SecretId);
          const version = put(secret, token, content, input.VersionStages);
          return { ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: [...version.stages] };
        },
      ),
      UpdateSecret: operation(
        shapes.updateSecret,
        (input) => [need('UpdateSecret', input.SecretId)],
        (input) => {
          const secret = store.live(input.SecretId);
          const content = contentOf(input);
          const token = content === undefined ? undefined : checkToken(input.ClientRequestToken);
          secret.description = input.Description ?? secret.description;
          secret.kmsKeyId = input.KmsKeyId ?? secret.kmsKeyId;
          if (content !== undefined && token !== undefined) put(secret, token, content);
          store.changed(secret);
          return { ARN: secret.arn, Name: secret.name, ...(token !== undefined && { VersionId: token }) };
        },
      ),
      UpdateSecretVersionStage: operation(
        shapes.updateSecretVersionStage,
        (input) => [need('UpdateSecretVersionStage', input.SecretId)],
        (input) => {
          const secret = store.live(input.SecretId);
          updateStage(secret.versions, input.VersionStage, input.RemoveFromVersionId, input.MoveToVersionId);
          store.changed(secret);
          return { ARN: secret.arn, Name: secret.name };
        },
      ),
      DeleteSecret: operation(
        shapes.deleteSecret,
        (input) => [need('DeleteSecret', input.SecretId)],
        ({ SecretId, RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: force }) => {
          if (force && days !== undefined) {
            throw invalid("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
          }
          if (days !== undefined && (days < 7 || days > 30)) {
            throw invalid('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
          }
          const secret = store.live(SecretId);
          const end = new Date(env.now().getTime() + (force ? 0 : (days ?? 30) * 24 * 3600 * 1000));
          secret.deletedAt = end;
          if (force) store.remove(secret);
          else store.changed(secret);
          return { ARN: secret.arn, Name: secret.name, DeletionDate: seconds(end) };
        },
      ),
      RestoreSecret: operation(
        secretOnly,
        (input) => [need('RestoreSecret', input.SecretId)],
        (input) => {
          const secret = store.find(input.SecretId);
          secret.deletedAt = undefined;
          store.changed(secret);
          return { ARN: secret.arn, Name: secret.name };
        },
      ),
      TagResource: operation(
        shapes.tagResource,
        (input) => [need('TagResource', input.SecretId)],
        (input) => {
          const secret = store.live(input.SecretId);
          checkTags(input.Tags, secret.tags.keys());
          for (const { Key, Value } of input.Tags) secret.tags.set(Key, Value);
          store.changed(secret);
        },
      ),
      UntagResource: operation(
        shapes.untagResource,
        (input) => [need('UntagResource', input.SecretId)],
        (input) => {
          const secret = store.live(input.SecretId);
          for (const key of input.TagKeys) secret.tags.delete(key);
          store.changed(secret);
        },
      ),
      RotateSecret: operation(
        shapes.rotateSecret,
        (input) => [need('RotateSecret', input.SecretId)],
        (input) => {
          const secret = store.live(input.SecretId);
          const token = checkToken(input.ClientRequestToken);
          checkRules(input.RotationRules);
          if (
            input.RotationLambdaARN !== undefined ||
            (secret.rotation !== undefined && input.RotationRules !== undefined)
          ) {
            const functionArn = input.RotationLambdaARN ?? secret.rotation?.functionArn ?? '';
            secret.rotation = { functionArn, rules: input.RotationRules ?? secret.rotation?.rules, enabled: true };
            store.changed(secret);
          }
          if (input.RotateImmediately) rotations.start(secret, token);
          return { ARN: secret.arn, Name: secret.name, VersionId: token };
        },
      ),
      CancelRotateSecret: operation(
        secretOnly,
        (input) => [need('CancelRotateSecret', input.SecretId)],
        (input) => {
          const secret = store.live(input.SecretId);
          if (secret.rotation !== undefined) secret.rotation.enabled = false;
          store.changed(secret);
          return { ARN: secret.arn, Name: secret.name };
        },
      ),
    };
  }
}
