/** The request shapes of Secrets Manager, and the checks that it answers with its own messages. */
import * as v from 'valibot';
import { AwsError, integer, list, text } from '../wire/wire.ts';
import { secretFilters } from './filters.ts';
import type { SecretContent } from './versions.ts';

const SecretId = text({ min: 1, max: 2048 });
const stage = text({ min: 1, max: 256 });
const versionId = text({ min: 32, max: 64 });
const NextToken = v.optional(text({ min: 1, max: 4096 }));
const Tags = v.array(v.object({ Key: text({ min: 1, max: 128 }), Value: text({ max: 256 }) }));
const content = {
  ClientRequestToken: v.optional(v.string()),
  SecretString: v.optional(text({ min: 1 })),
  SecretBinary: v.optional(text({ min: 1 })),
};

export const shapes = {
  secretOnly: v.object({ SecretId }),
  createSecret: v.object({
    Name: text({ min: 1, max: 512 }),
    Description: v.optional(text({ max: 2048 })),
    KmsKeyId: v.optional(text({ max: 2048 })),
    Tags: v.optional(Tags, []),
    ...content,
  }),
  updateSecret: v.object({
    SecretId,
    Description: v.optional(text({ max: 2048 })),
    KmsKeyId: v.optional(text({ max: 2048 })),
    ...content,
  }),
  putSecretValue: v.object({ SecretId, VersionStages: v.optional(list(stage, 20, 1)), ...content }),
  getSecretValue: v.object({ SecretId, VersionId: v.optional(versionId), VersionStage: v.optional(stage) }),
  batchGetSecretValue: v.object({
    SecretIdList: v.optional(list(SecretId, 20, 1)),
    Filters: v.optional(secretFilters),
    MaxResults: v.optional(integer(1, 20)),
    NextToken,
  }),
  listSecrets: v.object({
    IncludePlannedDeletion: v.optional(v.boolean(), false),
    MaxResults: v.optional(integer(1, 100), 100),
    NextToken,
    Filters: v.optional(secretFilters, []),
    SortOrder: v.optional(v.picklist(['asc', 'desc']), 'desc'),
    SortBy: v.optional(v.picklist(['created-date', 'last-accessed-date', 'last-changed-date', 'name']), 'created-date'),
  }),
  listSecretVersionIds: v.object({
    SecretId,
    MaxResults: v.optional(integer(1, 100), 100),
    NextToken,
    IncludeDeprecated: v.optional(v.boolean(), false),
  }),
  updateSecretVersionStage: v.object({
    SecretId,
    VersionStage: stage,
    RemoveFromVersionId: v.optional(versionId),
    MoveToVersionId: v.optional(versionId),
  }),
  deleteSecret: v.object({
    SecretId,
    RecoveryWindowInDays: v.optional(v.number()),
    ForceDeleteWithoutRecovery: v.optional(v.boolean(), false),
  }),
  tagResource: v.object({ SecretId, Tags }),
  untagResource: v.object({ SecretId, TagKeys: v.array(text({ min: 1, max: 128 })) }),
  rotateSecret: v.object({
    SecretId,
    ClientRequestToken: v.optional(v.string()),
    RotationLambdaARN: v.optional(text({ max: 2048 })),
    RotationRules: v.optional(
      v.object({
        AutomaticallyAfterDays: v.optional(integer(1, 1000)),
        Duration: v.optional(text({ min: 2, max: 3, pattern: /[0-9]+h/ })),
        ScheduleExpression: v.optional(text({ min: 1, max: 256, pattern: /[0-9A-Za-z()#?*\-/, ]+/ })),
      }),
    ),
    RotateImmediately: v.optional(v.boolean(), true),
  }),
};

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
    throw invalid('You must provide a ClientRequestToken value. We recommend a UUID-type value.');
  if (token.length < 32 || token.length > 64) throw invalid('ClientRequestToken must be 32-64 characters long.');
  return token;
}

export function contentOf(input: {
  readonly SecretString?: string | undefined;
  readonly SecretBinary?: string | undefined;
}): SecretContent | undefined {
  const { SecretString, SecretBinary } = input;
  if (SecretString !== undefined && SecretBinary !== undefined) {
    throw invalid("You can't specify both a binary secret value and a string secret value in the same secret.");
  }
  const bytes =
    SecretBinary === undefined ? Buffer.byteLength(SecretString ?? '') : Buffer.from(SecretBinary, 'base64').length;
  if (bytes > MAX_CONTENT_BYTES) {
    const field = SecretBinary === undefined ? 'secretString' : 'secretBinary';
    throw new AwsError(
      'ValidationException',
      `1 validation error detected: Value at '${field}' failed to satisfy constraint: Member must have length less than or equal to ${MAX_CONTENT_BYTES}`,
    );
  }
  if (SecretString !== undefined) return { SecretString };
  return SecretBinary === undefined ? undefined : { SecretBinary };
}

/** What all tags of a resource together must keep to. */
export function checkTags(
  tags: readonly { readonly Key: string; readonly Value: string }[],
  held: Iterable<string> = [],
): void {
  const keys = tags.map(({ Key }) => Key);
  if (new Set(keys).size !== keys.length) throw invalid('Duplicate tag keys found.');
  if (new Set([...held, ...keys]).size > 50) throw invalid('A secret can have at most 50 tags.');
  for (const { Key, Value } of tags) {
    if (Key.toLowerCase().startsWith('aws:')) throw invalid("Tag keys can't start with aws:.");
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(Key + Value))
      throw invalid('A tag holds characters that are not allowed.');
  }
}

/** A rotation schedule may not be closer than four hours. */
export function checkRules(rules: v.InferOutput<typeof shapes.rotateSecret>['RotationRules']): void {
  const rate = /^rate\((\d+) (hour|day)s?\)$/.exec(rules?.ScheduleExpression ?? '');
  if (rate?.[2] === 'hour' && Number(rate[1]) < 4) {
    throw invalid('Rotation schedule expression invalid. The minimum rotation frequency is every four hours.');
  }
}

export function invalid(message: string): AwsError {
  return new AwsError('InvalidParameterException', message);
}
