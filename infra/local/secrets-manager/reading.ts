/** The operations of Secrets Manager that read. */
import type {
  BatchGetSecretValueRequest,
  DescribeSecretRequest,
  GetSecretValueRequest,
  ListSecretsRequest,
  ListSecretVersionIdsRequest,
} from '@aws-sdk/client-secrets-manager';
import type { Access } from '../wire/access.ts';
import { AwsError } from '../wire/error.ts';
import { type Operation, operationsOf, textIn } from '../wire/operation.ts';
import { page } from '../wire/page.ts';
import { seconds } from '../wire/replies.ts';
import type { Wire } from '../wire/validation.ts';
import { badToken, invalidParameter, invalidRequest, missing } from './errors.ts';
import { passes } from './filters.ts';
import type { SecretPermissions } from './permissions.ts';
import { entryOf, type Secret, type SecretEntry, type SecretStore } from './store.ts';
import { versionWith } from './versions.ts';

interface Requests {
  GetSecretValue: GetSecretValueRequest;
  BatchGetSecretValue: BatchGetSecretValueRequest;
  DescribeSecret: DescribeSecretRequest;
  ListSecrets: ListSecretsRequest;
  ListSecretVersionIds: ListSecretVersionIdsRequest;
}

/** `lagSeconds` is how far lists are behind. */
export function readingOperations(
  store: SecretStore,
  access: Access,
  { need, checkKey }: SecretPermissions,
  lagSeconds: () => number,
): readonly Operation[] {
  const on = operationsOf<Requests>('secretsmanager', (operation, input) => {
    const secretId = textIn(input, 'SecretId');
    return [secretId === undefined ? ofAll(operation) : need(operation, secretId)];
  });
  const ofAll = (operation: string) => ({ action: `secretsmanager:${operation}`, resource: '*' });

  function read(secret: Secret, versionId?: string, stage?: string) {
    const label = stage ?? (versionId === undefined ? 'AWSCURRENT' : undefined);
    const version =
      versionId === undefined ? versionWith(secret.versions, label ?? '') : secret.versions.get(versionId);
    if (version?.content === undefined) {
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
      ...version.content,
      ...(version.stages.size > 0 && { VersionStages: [...version.stages] }),
      CreatedDate: seconds(version.createdAt),
    };
  }

  function wantedOf({ SecretIdList: ids, Filters: filters, MaxResults }: Wire<BatchGetSecretValueRequest>) {
    if (ids !== undefined && filters !== undefined) {
      throw invalidParameter('Either SecretIdList or Filters must be provided, but not both.');
    }
    if (ids !== undefined && MaxResults !== undefined) {
      throw invalidParameter('MaxResults can only be used with Filters.');
    }
    if (ids !== undefined) return ids;
    if (filters === undefined) throw invalidParameter('Either SecretIdList or Filters must be provided.');
    access.check(ofAll('ListSecrets'));
    return store
      .listed(lagSeconds())
      .filter((entry) => entry.DeletedDate === undefined && passes(entry, filters))
      .map(({ ARN }) => ARN);
  }

  return [
    on('GetSecretValue', (input) => read(store.live(input.SecretId), input.VersionId, input.VersionStage)),
    on('BatchGetSecretValue', (input) => {
      const { MaxResults: size = 20, NextToken: token, Filters } = input;
      const found = page(wantedOf(input), { size, token, scope: ['BatchGetSecretValue', Filters] }, badToken);
      const values: unknown[] = [];
      const errors: unknown[] = [];
      // The answer's order is not promised; here it is never the order of the question.
      for (const secretId of [...new Set(found.items)].reverse()) {
        try {
          access.check(need('GetSecretValue', secretId));
          values.push(read(store.live(secretId)));
        } catch (error) {
          if (!(error instanceof AwsError)) throw error;
          errors.push({ SecretId: secretId, ErrorCode: error.code, Message: error.message });
        }
      }
      return { SecretValues: values, Errors: errors, NextToken: found.nextToken };
    }),
    on('DescribeSecret', (input) => {
      const { stages, ...entry } = entryOf(store.find(input.SecretId));
      return { ...entry, ...(Object.keys(stages).length > 0 && { VersionIdsToStages: stages }) };
    }),
    on('ListSecrets', (input) => {
      const { Filters = [], IncludePlannedDeletion, MaxResults: size = 100, NextToken: token } = input;
      const { SortBy = 'created-date', SortOrder = 'desc' } = input;
      const by = (entry: SecretEntry) =>
        SortBy === 'name' ? entry.Name : SortBy === 'created-date' ? entry.CreatedDate : entry.LastChangedDate;
      const direction = SortOrder === 'asc' ? 1 : -1;
      const entries = store
        .listed(lagSeconds())
        .filter((entry) => IncludePlannedDeletion || entry.DeletedDate === undefined)
        .filter((entry) => passes(entry, Filters))
        .toSorted((a, b) => (by(a) < by(b) ? -direction : by(a) > by(b) ? direction : 0));
      const found = page(entries, { size, token, scope: ['ListSecrets', Filters, SortBy, SortOrder] }, badToken);
      return {
        SecretList: found.items.map(({ stages, ...entry }) => ({
          ...entry,
          ...(Object.keys(stages).length > 0 && { SecretVersionsToStages: stages }),
        })),
        NextToken: found.nextToken,
      };
    }),
    on('ListSecretVersionIds', (input) => {
      const { IncludeDeprecated = false, MaxResults: size = 100, NextToken: token } = input;
      const secret = store.find(input.SecretId);
      const versions = [...secret.versions.values()].filter(({ stages }) => IncludeDeprecated || stages.size > 0);
      const scope = ['ListSecretVersionIds', secret.arn, IncludeDeprecated];
      const found = page(versions, { size, token, scope }, badToken);
      return {
        ARN: secret.arn,
        Name: secret.name,
        NextToken: found.nextToken,
        Versions: found.items.map(({ id, stages, createdAt }) => ({
          VersionId: id,
          CreatedDate: seconds(createdAt),
          ...(stages.size > 0 && { VersionStages: [...stages] }),
        })),
      };
    }),
  ];
}
