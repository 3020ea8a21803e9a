/** The operations of Secrets Manager that read. */
import type { Access } from '../wire/access.ts';
import { AwsError, operation, page, type Service, seconds } from '../wire/wire.ts';
import { passes } from './filters.ts';
import type { SecretPermissions } from './permissions.ts';
import { invalid, shapes } from './rules.ts';
import { entryOf, type Secret, type SecretEntry, type SecretStore } from './store.ts';
import { versionWith } from './versions.ts';

/** `lagSeconds` is how far lists are behind. */
export function readingOperations(
  store: SecretStore,
  access: Access,
  { need, checkKey }: SecretPermissions,
  lagSeconds: () => number,
): Service['operations'] {
  function read(secret: Secret, versionId: string | undefined, stage: string | undefined) {
    const label = stage ?? (versionId === undefined ? 'AWSCURRENT' : undefined);
    const version =
      versionId === undefined ? versionWith(secret.versions, label ?? '') : secret.versions.get(versionId);
    if (version?.content === undefined) {
      const wanted = versionId === undefined ? `staging label: ${label}` : `VersionId: ${versionId}`;
      throw new AwsError(
        'ResourceNotFoundException',
        `Secrets Manager can't find the specified secret value for ${wanted}`,
      );
    }
    if (label !== undefined && !version.stages.has(label)) {
      throw new AwsError(
        'InvalidRequestException',
        'You provided a VersionStage that is not associated to the provided VersionId.',
      );
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

  function batchGet(input: {
    readonly SecretIdList?: readonly string[] | undefined;
    readonly Filters?: Parameters<typeof passes>[1] | undefined;
    readonly MaxResults?: number | undefined;
    readonly NextToken?: string | undefined;
  }) {
    const { SecretIdList: ids, Filters: filters, MaxResults: size } = input;
    if ((ids === undefined) === (filters === undefined)) {
      throw invalid('Either SecretIdList or Filters must be provided, but not both.');
    }
    if (ids !== undefined && size !== undefined) {
      throw invalid('MaxResults can only be used with Filters.');
    }
    if (filters !== undefined) access.check({ action: 'secretsmanager:ListSecrets', resource: '*' });
    const matching = filters === undefined ? [] : store.listed(lagSeconds()).filter((entry) => passes(entry, filters));
    const wanted = ids ?? matching.filter(({ DeletedDate }) => DeletedDate === undefined).map(({ ARN }) => ARN);
    const request = { size: size ?? 20, token: input.NextToken, scope: ['BatchGetSecretValue', filters] };
    const found = page(wanted, request, badToken);
    const values: unknown[] = [];
    const errors: unknown[] = [];
    // The answer's order is not promised; here it is never the order of the question.
    for (const secretId of [...new Set(found.items)].reverse()) {
      try {
        access.check(need('GetSecretValue', secretId));
        values.push(read(store.live(secretId), undefined, 'AWSCURRENT'));
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        errors.push({ SecretId: secretId, ErrorCode: error.code, Message: error.message });
      }
    }
    return { SecretValues: values, Errors: errors, NextToken: found.nextToken };
  }

  return {
    GetSecretValue: operation(
      shapes.getSecretValue,
      (input) => [need('GetSecretValue', input.SecretId)],
      (input) => read(store.live(input.SecretId), input.VersionId, input.VersionStage),
    ),
    BatchGetSecretValue: operation(
      shapes.batchGetSecretValue,
      () => [{ action: 'secretsmanager:BatchGetSecretValue', resource: '*' }],
      (input) => batchGet(input),
    ),
    DescribeSecret: operation(
      shapes.secretOnly,
      (input) => [need('DescribeSecret', input.SecretId)],
      (input) => {
        const { stages, ...entry } = entryOf(store.find(input.SecretId));
        return { ...entry, ...(Object.keys(stages).length > 0 && { VersionIdsToStages: stages }) };
      },
    ),
    ListSecrets: operation(
      shapes.listSecrets,
      () => [{ action: 'secretsmanager:ListSecrets', resource: '*' }],
      (input) => {
        const by = (entry: SecretEntry) =>
          input.SortBy === 'name'
            ? entry.Name
            : input.SortBy === 'created-date'
              ? entry.CreatedDate
              : entry.LastChangedDate;
        const direction = input.SortOrder === 'asc' ? 1 : -1;
        const entries = store
          .listed(lagSeconds())
          .filter((entry) => input.IncludePlannedDeletion || entry.DeletedDate === undefined)
          .filter((entry) => passes(entry, input.Filters))
          .toSorted((a, b) => (by(a) < by(b) ? -direction : by(a) > by(b) ? direction : 0));
        const scope = ['ListSecrets', input.Filters, input.SortBy, input.SortOrder];
        const found = page(entries, { size: input.MaxResults, token: input.NextToken, scope }, badToken);
        return {
          SecretList: found.items.map(({ stages, ...entry }) => ({
            ...entry,
            ...(Object.keys(stages).length > 0 && { SecretVersionsToStages: stages }),
          })),
          NextToken: found.nextToken,
        };
      },
    ),
    ListSecretVersionIds: operation(
      shapes.listSecretVersionIds,
      (input) => [need('ListSecretVersionIds', input.SecretId)],
      (input) => {
        const secret = store.find(input.SecretId);
        const versions = [...secret.versions.values()].filter(
          ({ stages }) => input.IncludeDeprecated || stages.size > 0,
        );
        const scope = ['ListSecretVersionIds', secret.arn, input.IncludeDeprecated];
        const found = page(versions, { size: input.MaxResults, token: input.NextToken, scope }, badToken);
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
      },
    ),
  };
}

function badToken(): AwsError {
  return new AwsError('InvalidNextTokenException', 'The NextToken value is invalid.');
}
