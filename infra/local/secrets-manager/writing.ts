/** The operations of Secrets Manager that change a secret. */
import type {
  CreateSecretRequest,
  DeleteSecretRequest,
  PutSecretValueRequest,
  RestoreSecretRequest,
  RotateSecretRequest,
  TagResourceRequest,
  UntagResourceRequest,
  UpdateSecretRequest,
  UpdateSecretVersionStageRequest,
} from '@aws-sdk/client-secrets-manager';
import type { Environment } from '../wire/environment.ts';
import { type Operation, operationsOf, textIn } from '../wire/operation.ts';
import { seconds } from '../wire/replies.ts';
import { exists, invalidParameter, invalidRequest } from './errors.ts';
import type { SecretPermissions } from './permissions.ts';
import type { Rotations } from './rotation.ts';
import { checkedTags, checkName, checkSchedule, checkToken, contentOf } from './rules.ts';
import type { Secret, SecretStore } from './store.ts';
import { putVersion, type SecretContent, type SecretVersion, sameContent, updateStage } from './versions.ts';

interface Requests {
  CreateSecret: CreateSecretRequest;
  PutSecretValue: PutSecretValueRequest;
  UpdateSecret: UpdateSecretRequest;
  UpdateSecretVersionStage: UpdateSecretVersionStageRequest;
  DeleteSecret: DeleteSecretRequest;
  RestoreSecret: RestoreSecretRequest;
  TagResource: TagResourceRequest;
  UntagResource: UntagResourceRequest;
  RotateSecret: RotateSecretRequest;
}

const DAY = 24 * 3600 * 1000;

export function writingOperations(
  env: Environment,
  store: SecretStore,
  { need, checkKey }: SecretPermissions,
  rotations: Rotations,
): readonly Operation[] {
  const on = operationsOf<Requests>('secretsmanager', (operation, input) => {
    const secretId = textIn(input, 'SecretId') ?? textIn(input, 'Name') ?? '';
    const tags = operation === 'CreateSecret' && 'Tags' in input;
    return [need(operation, secretId), ...(tags ? [need('TagResource', secretId)] : [])];
  });

  function put(secret: Secret, id: string, content: SecretContent, stages = ['AWSCURRENT']): SecretVersion {
    checkKey(secret, 'kms:GenerateDataKey');
    const { version, changed } = putVersion(secret.versions, { id, content, stages, now: env.now() });
    if (changed) store.changed(secret);
    return version;
  }

  /** Applies a change, and answers with what most operations answer with. */
  function change(secret: Secret, apply: () => void) {
    apply();
    store.changed(secret);
    return { ARN: secret.arn, Name: secret.name };
  }

  return [
    on('CreateSecret', ({ Name, Tags = [], ...input }) => {
      checkName(Name);
      const tags = checkedTags(Tags);
      const token = checkToken(input.ClientRequestToken);
      const content = contentOf(input);
      const existing = store.all().find(({ name }) => name === Name);
      if (existing?.deletedAt !== undefined) {
        throw invalidRequest(
          "You can't create this secret because a secret with this name is already scheduled for deletion.",
        );
      }
      if (existing !== undefined) {
        // The same call again, its first answer lost: nothing happens, and it succeeds.
        const same = content !== undefined && sameContent(existing.versions.get(token)?.content, content);
        if (same) return { ARN: existing.arn, Name, VersionId: token };
        throw exists(`The operation failed because the secret ${Name} already exists.`);
      }
      const secret = store.create({ name: Name, description: input.Description, kmsKeyId: input.KmsKeyId, tags });
      try {
        if (content !== undefined) put(secret, token, content);
      } catch (error) {
        store.remove(secret);
        throw error;
      }
      return { ARN: secret.arn, Name, ...(content !== undefined && { VersionId: token }) };
    }),
    on('PutSecretValue', (input) => {
      const token = checkToken(input.ClientRequestToken);
      const content = contentOf(input);
      if (content === undefined) throw invalidRequest('You must provide either SecretString or SecretBinary.');
      const secret = store.live(input.SecretId);
      const version = put(secret, token, content, input.VersionStages);
      return { ARN: secret.arn, Name: secret.name, VersionId: version.id, VersionStages: [...version.stages] };
    }),
    on('UpdateSecret', (input) => {
      const secret = store.live(input.SecretId);
      const content = contentOf(input);
      const token = content === undefined ? undefined : checkToken(input.ClientRequestToken);
      const changed = change(secret, () => {
        secret.description = input.Description ?? secret.description;
        secret.kmsKeyId = input.KmsKeyId ?? secret.kmsKeyId;
        if (content !== undefined && token !== undefined) put(secret, token, content);
      });
      return { ...changed, ...(token !== undefined && { VersionId: token }) };
    }),
    on('UpdateSecretVersionStage', (input) => {
      const secret = store.live(input.SecretId);
      const { VersionStage, RemoveFromVersionId, MoveToVersionId } = input;
      return change(secret, () => updateStage(secret.versions, VersionStage, RemoveFromVersionId, MoveToVersionId));
    }),
    on('DeleteSecret', ({ SecretId, RecoveryWindowInDays: days, ForceDeleteWithoutRecovery: force = false }) => {
      if (force && days !== undefined) {
        throw invalidParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.");
      }
      if (days !== undefined && (days < 7 || days > 30)) {
        throw invalidParameter('The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).');
      }
      const secret = store.live(SecretId);
      const end = new Date(env.now().getTime() + (force ? 0 : (days ?? 30) * DAY));
      const changed = change(secret, () => {
        secret.deletedAt = end;
      });
      if (force) store.remove(secret);
      return { ...changed, DeletionDate: seconds(end) };
    }),
    on('RestoreSecret', (input) => {
      const secret = store.find(input.SecretId);
      return change(secret, () => {
        secret.deletedAt = undefined;
      });
    }),
    on('TagResource', (input) => {
      const secret = store.live(input.SecretId);
      const tags = checkedTags(input.Tags, secret.tags.keys());
      change(secret, () => {
        for (const [key, value] of tags) secret.tags.set(key, value);
      });
    }),
    on('UntagResource', (input) => {
      const secret = store.live(input.SecretId);
      change(secret, () => {
        for (const key of input.TagKeys) secret.tags.delete(key);
      });
    }),
    on('RotateSecret', (input) => {
      const secret = store.live(input.SecretId);
      const token = checkToken(input.ClientRequestToken);
      const { RotationRules: rules = secret.rotation?.rules, RotateImmediately = true } = input;
      checkSchedule(input.RotationRules?.ScheduleExpression);
      const functionArn = input.RotationLambdaARN ?? secret.rotation?.functionArn;
      if (functionArn !== undefined && (input.RotationLambdaARN ?? input.RotationRules) !== undefined) {
        change(secret, () => {
          secret.rotation = { functionArn, rules, enabled: true };
        });
      }
      if (RotateImmediately) rotations.start(secret, token);
      return { ARN: secret.arn, Name: secret.name, VersionId: token };
    }),
  ];
}
