import {
  BatchGetSecretValueCommand,
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type SecretListEntry,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { ListedSecret, Secrets, SecretVersion, StoredVersion, Tagged, TokenStore } from '../core/ports.ts';
import { Redacted } from '../core/redacted.ts';
import type { Run } from '../core/run.ts';
import { publicName } from '../core/wording.ts';
import { type AwsCall, callAws } from './aws-call.ts';

/** The most ids that BatchGetSecretValue takes. */
const BATCH = 20;
/** The most secrets on a page of ListSecrets. */
const PAGE = 100;

function call(operation: string, resource: string): AwsCall {
  // What a call for many secrets is refused for says nothing of one.
  const meanings = resource === '*' ? {} : meaningsFor(resource);
  return { action: `secretsmanager:${operation}`, resource, unavailable: 'SECRETS_UNAVAILABLE', meanings };
}

/** Any secret: read, never written. */
export function secretsAdapter(client: SecretsManagerClient): Secrets {
  const kept = new Map<string, Tagged>();
  const described = async (name: string, run: Run) => {
    const answer = await callAws(call('DescribeSecret', name), run, (options) =>
      client.send(new DescribeSecretCommand({ SecretId: name }), options),
    );
    if (answer.DeletedDate !== undefined) throw notFound(name);
    return answer;
  };
  return {
    async values(names, run) {
      const found = new Map<string, SecretVersion | RefreshError>();
      for (let at = 0; at < names.length; at += BATCH) {
        await batch(names.slice(at, at + BATCH), found, run);
      }
      return found;
    },
    async value(id, run) {
      const answer = await callAws(call('GetSecretValue', id), run, (options) =>
        client.send(new GetSecretValueCommand({ SecretId: id }), options),
      );
      return versionOf(id, answer);
    },
    async list(prefix, run) {
      // By name: a listing that changes under our eyes may show an entry twice.
      const found = new Map<string, ListedSecret>();
      let NextToken: string | undefined;
      do {
        const input = {
          Filters: [{ Key: 'name' as const, Values: [prefix] }],
          MaxResults: PAGE,
          ...(NextToken === undefined ? {} : { NextToken }),
        };
        const answer = await callAws(call('ListSecrets', '*'), run, (options) =>
          client.send(new ListSecretsCommand(input), options),
        );
        for (const entry of answer.SecretList ?? []) {
          const name = entry.Name ?? '';
          // The filter matches words too; the bare prefix names no connection.
          if (name.startsWith(prefix) && name.length > prefix.length) found.set(name, listed(name, entry));
        }
        NextToken = answer.NextToken;
      } while (NextToken !== undefined);
      return [...found.values()];
    },
    async describe(name, run) {
      return listed(name, await described(name, run));
    },
    async tags(arn, willDo, run) {
      const known = kept.get(arn);
      if (known !== undefined && willDo(known)) return known;
      const answer = await described(arn, run);
      const tagged = { arn: answer.ARN ?? arn, tags: tagsOf(answer.Tags) };
      kept.set(arn, tagged);
      return tagged;
    },
  };

  async function batch(
    names: readonly string[],
    found: Map<string, SecretVersion | RefreshError>,
    run: Run,
  ): Promise<void> {
    let NextToken: string | undefined;
    do {
      const input = { SecretIdList: [...names], ...(NextToken === undefined ? {} : { NextToken }) };
      const answer = await callAws(call('BatchGetSecretValue', '*'), run, (options) =>
        client.send(new BatchGetSecretValueCommand(input), options),
      );
      for (const entry of answer.SecretValues ?? []) {
        if (entry.Name !== undefined) found.set(entry.Name, readVersion(entry.Name, entry));
      }
      for (const { SecretId, ErrorCode } of answer.Errors ?? []) {
        if (SecretId !== undefined) found.set(SecretId, batchError(SecretId, publicName(ErrorCode)));
      }
      NextToken = answer.NextToken;
    } while (NextToken !== undefined);
  }
}

/**
 * The token secrets: ours.
 *
 * @param kmsKeyId the key that new ones are encrypted under; `aws/secretsmanager` unless given
 */
export function tokenStoreAdapter(client: SecretsManagerClient, kmsKeyId: string | undefined): TokenStore {
  const dateOf = readingDates(client);

  const get = async (
    name: string,
    selector: { VersionId: string } | { VersionStage: string },
    run: Run,
  ): Promise<StoredVersion | undefined> => {
    const command = new GetSecretValueCommand({ SecretId: name, ...selector });
    const answer = await callAws(call('GetSecretValue', name), run, (options) =>
      unlessMissing(() => client.send(command, options)),
    );
    if (answer === undefined) return undefined;
    const { CreatedDate } = answer;
    if (CreatedDate === undefined) throw undated(name);
    return { ...versionOf(name, answer), createdAt: CreatedDate, readAt: dateOf(name, answer) };
  };

  return {
    current: (name, run) => get(name, { VersionStage: 'AWSCURRENT' }, run),
    version: (name, versionId, run) => get(name, { VersionId: versionId }, run),
    async stages(name, run) {
      const command = new DescribeSecretCommand({ SecretId: name });
      const answer = await callAws(call('DescribeSecret', name), run, (options) =>
        unlessMissing(() => client.send(command, options)),
      );
      if (answer?.DeletedDate !== undefined) throw inDeletion(name);
      const stages = new Map<string, string>();
      for (const [versionId, labels] of Object.entries(answer?.VersionIdsToStages ?? {})) {
        for (const label of labels) stages.set(label, versionId);
      }
      return stages;
    },
    async youngVersions(name, run) {
      let young = 0;
      let NextToken: string | undefined;
      do {
        const input = {
          SecretId: name,
          IncludeDeprecated: true,
          MaxResults: PAGE,
          ...(NextToken === undefined ? {} : { NextToken }),
        };
        const answer = await callAws(call('ListSecretVersionIds', name), run, (options) =>
          unlessMissing(() => client.send(new ListSecretVersionIdsCommand(input), options)),
        );
        if (answer === undefined) return 0;
        const dayAgo = dateOf(name, answer).getTime() - DAY;
        // Of a version without a date it is not known that it is old.
        young += (answer.Versions ?? []).filter(
          ({ CreatedDate }) => (CreatedDate?.getTime() ?? dayAgo) >= dayAgo,
        ).length;
        NextToken = answer.NextToken;
      } while (NextToken !== undefined);
      return young;
    },
    create(name, versionId, value, run) {
      const input = {
        Name: name,
        ClientRequestToken: versionId,
        SecretString: value.reveal(),
        Description: 'Tokens kept by appflow-token-refresher. Read them if you must, never write them.',
        ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }),
      };
      return callAws(call('CreateSecret', name), run, (options) =>
        unlessExists(() => client.send(new CreateSecretCommand(input), options)),
      );
    },
    put({ name, versionId, value, stages, attempts }, run) {
      const input = {
        SecretId: name,
        ClientRequestToken: versionId,
        SecretString: value.reveal(),
        ...(stages === undefined ? {} : { VersionStages: [...stages] }),
      };
      return callAws(
        call('PutSecretValue', name),
        run,
        (options) => unlessExists(() => client.send(new PutSecretValueCommand(input), options)),
        attempts,
      );
    },
    async moveStage({ name, stage, from, to }, run) {
      if (from === to) return;
      const input = {
        SecretId: name,
        VersionStage: stage,
        ...(from === undefined ? {} : { RemoveFromVersionId: from }),
        ...(to === undefined ? {} : { MoveToVersionId: to }),
      };
      await callAws(call('UpdateSecretVersionStage', name), run, (options) =>
        client.send(new UpdateSecretVersionStageCommand(input), options),
      );
    },
  };
}

/** Milliseconds for which Secrets Manager never prunes a version. */
const DAY = 86_400_000;

const Dated = v.object({
  headers: v.object({
    date: v.pipe(
      v.string(),
      v.check((text) => !Number.isNaN(Date.parse(text))),
    ),
  }),
});

/**
 * Lets a client keep the `Date` of its answers, which the SDK drops: it is Secrets Manager's own clock.
 *
 * @returns the date of an answer. It throws where there was none: AWS always sends one
 */
function readingDates(client: SecretsManagerClient): (name: string, answer: object) => Date {
  const dates = new WeakMap<object, Date>();
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const dated = v.safeParse(Dated, result.response);
      if (dated.success && result.output !== undefined) dates.set(result.output, new Date(dated.output.headers.date));
      return result;
    },
    { step: 'deserialize', priority: 'high', name: 'readingDates' },
  );
  return (name, answer) => {
    const date = dates.get(answer);
    if (date === undefined) throw undated(name);
    return date;
  };
}

function undated(name: string): RefreshError {
  return new RefreshError(
    'SECRETS_UNAVAILABLE',
    `Secrets Manager answered for ${name} without a date.`,
    'See what stands between the function and Secrets Manager: a proxy must leave the Date header of answers alone.',
  );
}

async function unlessMissing<T>(send: () => Promise<T>): Promise<T | undefined> {
  try {
    return await send();
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceNotFoundException') return undefined;
    throw error;
  }
}

async function unlessExists(send: () => Promise<unknown>): Promise<'put' | 'exists'> {
  try {
    await send();
    return 'put';
  } catch (error) {
    if (error instanceof Error && error.name === 'ResourceExistsException') return 'exists';
    throw error;
  }
}

const LATEST = new Date(8.64e15);

function tagsOf(listed: SecretListEntry['Tags']): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const { Key, Value } of listed ?? []) {
    if (Key !== undefined && Value !== undefined) tags.set(Key, Value);
  }
  return tags;
}

function listed(
  name: string,
  { LastChangedDate, CreatedDate, Tags }: Pick<SecretListEntry, 'LastChangedDate' | 'CreatedDate' | 'Tags'>,
): ListedSecret {
  return {
    name,
    // Without a date it would not be the first of several.
    createdAt: CreatedDate ?? LATEST,
    changedAt: LastChangedDate ?? CreatedDate ?? new Date(0),
    tags: tagsOf(Tags),
  };
}

interface ValueEntry {
  readonly VersionId?: string | undefined;
  readonly SecretString?: string | undefined;
}

function versionOf(name: string, entry: ValueEntry): SecretVersion {
  const version = readVersion(name, entry);
  if (version instanceof RefreshError) throw version;
  return version;
}

function readVersion(name: string, { VersionId, SecretString }: ValueEntry): SecretVersion | RefreshError {
  if (VersionId !== undefined && SecretString !== undefined)
    return { versionId: VersionId, value: new Redacted(SecretString) };
  return new RefreshError(
    'SECRET_MALFORMED',
    `The secret ${name} holds bytes, not text.`,
    `Store the value of ${name} as text (SecretString): one JSON object.`,
  );
}

function notFound(name: string, cause?: Error): RefreshError {
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
function inDeletion(name: string, cause?: Error): RefreshError {
  return new RefreshError(
    'SECRET_NOT_FOUND',
    `The secret ${name} cannot be used in the state it is in: it is probably scheduled for deletion.`,
    `Restore the secret with: aws secretsmanager restore-secret --secret-id ${name}`,
    cause,
  );
}

function keyTrouble(name: string, verb: string, cause?: Error): RefreshError {
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

/** What BatchGetSecretValue says of one id. Its message is not repeated. */
function batchError(name: string, errorCode: string): RefreshError {
  switch (errorCode) {
    case 'ResourceNotFoundException':
      return notFound(name);
    case 'InvalidRequestException':
      return inDeletion(name);
    case 'DecryptionFailure':
      return keyTrouble(name, 'decrypted');
    case 'AccessDeniedException':
      return new RefreshError('ACCESS_DENIED', `secretsmanager:GetSecretValue on ${name} is denied.`, {
        kind: 'allow',
        what: `secretsmanager:GetSecretValue on ${name} and kms:Decrypt on its key`,
        also: 'and check the policy of the secret',
      });
    default:
      return new RefreshError(
        'SECRETS_UNAVAILABLE',
        `secretsmanager:BatchGetSecretValue gave ${errorCode} for ${name}.`,
        { kind: 'wait' },
      );
  }
}
