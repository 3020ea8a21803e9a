import {
  BatchGetSecretValueCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  type SecretListEntry,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { RefreshError } from '../core/errors.ts';
import type { ListedSecret, Secrets, SecretVersion } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { publicName } from '../core/wording.ts';
import { callAws } from './aws-call.ts';
import { keptTags } from './kept-tags.ts';
import { call, inDeletion, keyTrouble, notFound, readVersion, versionOf } from './secret-call.ts';

/** The most ids that BatchGetSecretValue takes. */
const BATCH = 20;
/**
 * Secrets on a page of ListSecrets. It takes 100; but each may have 50 long tags, and then a page of 100 takes megabytes to read.
 */
const PAGE = 50;

/**
 * Any secret: read, never written.
 *
 * @param tagNames of the tags that a listing keeps: with all others, up to 50 a secret, anybody who may tag could fill the memory
 */
export function secretsAdapter(client: SecretsManagerClient, tagNames: ReadonlySet<string>): Secrets {
  const kept = keptTags();
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
          if (name.startsWith(prefix) && name.length > prefix.length) found.set(name, listed(name, entry, tagNames));
        }
        NextToken = answer.NextToken;
      } while (NextToken !== undefined);
      return [...found.values()];
    },
    async describe(name, run) {
      return listed(name, await described(name, run), tagNames);
    },
    tags(arn, willDo, run) {
      return kept(arn, willDo, async () => {
        const answer = await described(arn, run);
        return { arn: answer.ARN ?? arn, tags: tagsOf(answer.Tags) };
      });
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
  tagNames: ReadonlySet<string>,
): ListedSecret {
  return {
    name,
    // Without a date it would not be the first of several.
    createdAt: CreatedDate ?? LATEST,
    changedAt: LastChangedDate ?? CreatedDate ?? new Date(0),
    tags: tagsOf(Tags?.filter(({ Key }) => tagNames.has(Key ?? ''))),
  };
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
