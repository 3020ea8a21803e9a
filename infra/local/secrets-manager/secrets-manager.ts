/** Secrets Manager: https://docs.aws.amazon.com/secretsmanager/latest/apireference/ */
import type * as sdk from '@aws-sdk/client-secrets-manager';
import type { Need } from '../wire/access.ts';
import { type Environment, page, serviceOf, textIn } from '../wire/operation.ts';
import { AwsError, seconds } from '../wire/replies.ts';
import { type InvokeFunction, Rotations } from './rotation.ts';
import { createSecretsState } from './state.ts';
import { entryOf, invalidRequest, type Secret, SecretStore } from './store.ts';
import { exists, invalidParameter, missing, updateStage, versionWith } from './versions.ts';

/** Counted in UTF-8, before encryption. */
const MAX_VALUE_BYTES = 65_536;

const badToken = () => new AwsError('InvalidNextTokenException', 'The NextToken value is invalid.');

export function createSecretsManager(env: Environment, invoke: InvokeFunction) {
  const store = new SecretStore(env);
  const rotations = new Rotations(env.now, store, invoke);

  /** IAM judges by ARN, but AWS prints a secret as the caller named it. */
  function need(operation: string, secretId: string): Need {
    const known = store.all().find(({ name, arn }) => name === secretId || arn.startsWith(secretId));
    const resource = secretId.startsWith('arn:') ? secretId : env.arn('secretsmanager', `secret:${secretId}-??????`);
    return { action: `secretsmanager:${operation}`, resource: known?.arn ?? resource, named: secretId };
  }

  /** How an error of a batch names a secret. A secret that does not exist has an ARN without a suffix at most. */
  function named(secretId: string): string | null {
    if (env.forms.ids === 'null') return null;
    const bare = secretId.startsWith('arn:') ? secretId : env.arn('secretsmanager', `secret:${secretId}`);
    const arn = store.lookUp(secretId)?.arn;
    if (env.forms.ids === 'ARN') return arn ?? secretId;
    return env.forms.ids === 'ARN without suffix' ? (arn?.slice(0, -7) ?? bare) : secretId;
  }

  /** A secret under a customer's key needs that key too; the AWS managed key is open to all. */
  function checkKey({ kmsKeyId }: Secret, action: 'kms:Decrypt' | 'kms:GenerateDataKey'): void {
    if (kmsKeyId === undefined) return;
    const resource = kmsKeyId.startsWith('arn:') ? kmsKeyId : env.arn('kms', `key/${kmsKeyId}`);
    if (!env.access.allows({ action, resource })) {
      throw new AwsError('AccessDeniedException', 'Access to KMS is not allowed');
    }
  }

  function read(secret: Secret, versionId?: string, stage?: string) {
    const label = stage ?? (versionId === undefined ? 'AWSCURRENT' : undefined);
    const version =
      versionId === undefined ? versionWith(secret.versions, label ?? '') : secret.versions.get(versionId);
    if (version?.value === undefined) {
      const wanted = versionId === undefined ? `staging label: ${label}` : `VersionId: ${versionId}`;
      throw missing(`Secrets Manager can't find the specified secret value for ${wanted}`);
    }
    if (label !== undefined && !version.stages.has(label)) {
      throw invalidRequest('You provided a VersionStage that is not associated to the provided VersionId.');
    }
    checkKey(secret, 'kms:Decrypt');
    return {
      ARN: secret.arn,
      Name: secret.name,
      VersionId: version.id,
      SecretString: version.value,
      ...(version.stages.size > 0 && { VersionStages: [...version.stages] }),
      CreatedDate: seconds(version.createdAt),
    };
  }

  function needs(operation: string, input: object): Need[] {
    const secretId = textIn(input, 'SecretId') ?? textIn(input, 'Name');
    if (secretId === undefined) return [{ action: `secretsmanager:${operation}`, resource: '*' }];
    return [need(operation, secretId), ...('Tags' in input ? [need('TagResource', secretId)] : [])];
  }

  const service = serviceOf<typeof sdk>(env, { name: 'secretsmanager', protocol: 'json1.1' }, needs, {
    GetSecretValue: (input) => read(store.find(input.SecretId), input.VersionId, input.VersionStage),

    BatchGetSecretValue({ SecretIdList, Filters, MaxResults }) {
      if (SecretIdList === undefined || Filters !== undefined || MaxResults !== undefined) {
        throw invalidParameter('This stand-in reads a batch by SecretIdList alone.');
      }
      const values: unknown[] = [];
      const errors: unknown[] = [];
      // The answer's order is not promised; here it is never the order of the question.
      for (const secretId of [...new Set(SecretIdList)].reverse()) {
        try {
          env.access.check(need('GetSecretValue', secretId));
          values.push(read(store.find(secretId)));
        } catch (error) {
          if (!(error instanceof AwsError)) throw error;
          errors.push({ SecretId: named(secretId), ErrorCode: error.code, Message: error.message });
        }
      }
      return { SecretValues: values, Errors: errors };
    },

    DescribeSecret(input) {
      const { stages, ...entry } = entryOf(store.find(input.SecretId));
      return { ...entry, VersionIdsToStages: stages };
    },

    /** The newest first. */
    ListSecrets({ Filters = [], MaxResults: size = 100, NextToken: token, SortBy, SortOrder }) {
      if (SortBy !== undefined || SortOrder !== undefined || Filters.some(({ Key }) => Key !== 'name')) {
        throw invalidParameter('This stand-in filters by name alone and does not sort.');
      }
      // Prefixes, in the letters' case: all filters must hold, and one of each filter's values is enough.
      const entries = store
        .listed()
        .filter(({ Name }) => Filters.every(({ Values = [] }) => Values.some((value) => Name.startsWith(value))))
        .toSorted((a, b) => b.CreatedDate - a.CreatedDate);
      const { items, nextToken } = page(
        entries,
        { size, token, scope: ['ListSecrets', Filters], forms: env.forms },
        badToken,
      );
      const list = items.map(({ stages, ...entry }) => ({ ...entry, SecretVersionsToStages: stages }));
      return { SecretList: list, NextToken: nextToken };
    },

    ListSecretVersionIds({ SecretId, IncludeDeprecated = false, MaxResults: size = 100, NextToken: token }) {
      const { arn, name, versions: all } = store.find(SecretId);
      const versions = [...all.values()].filter(({ stages }) => IncludeDeprecated || stages.size > 0);
      const scope = ['ListSecretVersionIds', arn, IncludeDeprecated];
      const { items, nextToken } = page(versions, { size, token, scope, forms: env.forms }, badToken);
      const list = items.map(({ id, stages, createdAt }) => ({
        VersionId: id,
        CreatedDate: seconds(createdAt),
        ...(stages.size > 0 && { VersionStages: [...stages] }),
      }));
      return { ARN: arn, Name: name, Versions: list, NextToken: nextToken };
    },

    CreateSecret({ Name, Tags = [], Description: description, KmsKeyId: kmsKeyId, ...input }) {
      const token = checkedToken(input.ClientRequestToken);
      const value = stringOf(input);
      const existing = store.lookUp(Name);
      if (existing !== undefined) {
        // The same call again, its first answer lost: nothing happens, and it succeeds.
        const same = value !== undefined && existing.versions.get(token)?.value === value;
        if (same) return { ARN: existing.arn, Name, VersionId: token };
        throw exists(`The operation failed because the secret ${Name} already exists.`);
      }
      const secret = store.create({ name: Name, tags: Tags, description, kmsKeyId });
      if (value === undefined) return { ARN: secret.arn, Name };
      try {
        checkKey(secret, 'kms:GenerateDataKey');
      } catch (error) {
        store.remove(secret);
        throw error;
      }
      return { ARN: secret.arn, Name, VersionId: store.put(secret, token, value).id };
    },

    PutSecretValue(input) {
      const token = checkedToken(input.ClientRequestToken);
      const value = stringOf(input);
      if (value === undefined) throw invalidRequest('You must provide either SecretString or SecretBinary.');
      const secret = store.find(input.SecretId);
      checkKey(secret, 'kms:GenerateDataKey');
      const { id, stages } = store.put(secret, token, value, input.VersionStages);
      return { ARN: secret.arn, Name: secret.name, VersionId: id, VersionStages: [...stages] };
    },

    UpdateSecretVersionStage({ SecretId, VersionStage, RemoveFromVersionId, MoveToVersionId }) {
      const secret = store.find(SecretId);
      updateStage(secret.versions, VersionStage, RemoveFromVersionId, MoveToVersionId);
      store.changed(secret);
      return { ARN: secret.arn, Name: secret.name };
    },

    RotateSecret({ SecretId, ClientRequestToken, RotationLambdaARN, RotationRules, RotateImmediately = true }) {
      if (RotationRules !== undefined || !RotateImmediately) {
        throw invalidParameter('This stand-in rotates at once and keeps no schedule.');
      }
      const secret = store.find(SecretId);
      const token = checkedToken(ClientRequestToken);
      secret.rotationFunction = RotationLambdaARN ?? secret.rotationFunction;
      rotations.start(secret, token);
      return { ARN: secret.arn, Name: secret.name, VersionId: token };
    },
  });

  /** AWSCURRENT by ARN or name, as another AWS service reads it. */
  const readForService = (secretId: string) => {
    const secret = store.lookUp(secretId);
    return secret && versionWith(secret.versions, 'AWSCURRENT')?.value;
  };
  return { service, state: createSecretsState(store, rotations), readForService };
}

/** A raw request must bring its own token; the SDKs and the CLI add one. */
function checkedToken(token: string | undefined): string {
  if (token === undefined) {
    throw invalidParameter('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
  }
  if (token.length >= 32 && token.length <= 64) return token;
  throw invalidParameter('ClientRequestToken must be 32-64 characters long.');
}

function stringOf({ SecretString, SecretBinary }: { SecretString?: string; SecretBinary?: string }) {
  if (SecretBinary !== undefined) throw invalidParameter('This stand-in keeps no binary secret values.');
  // The published limit counts characters.
  if (Buffer.byteLength(SecretString ?? '') <= MAX_VALUE_BYTES) return SecretString;
  throw new AwsError(
    'ValidationException',
    `1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length less than or equal to ${MAX_VALUE_BYTES}`,
  );
}
