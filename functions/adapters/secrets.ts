import {
  BatchGetSecretValueCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretsCommand,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { ListedSecret, Secrets, SecretVersion } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { codeOf, date, list, pages, readable, text } from './aws-answer.ts';
import { callAws, isDenial, unreadable } from './aws-call.ts';
import { keptTags } from './kept-tags.ts';
import {
  call,
  inDeletion,
  keyTrouble,
  meant,
  nameInArn,
  notFound,
  readVersion,
  ValueEntry,
  versionOf,
} from './secret-call.ts';

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
    const asked = call('DescribeSecret', name);
    const answer = await callAws(asked, run, async (options) =>
      readable(Described, await client.send(new DescribeSecretCommand({ SecretId: name }), options), asked),
    );
    if (answer.DeletedDate instanceof Date) throw notFound(name);
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
      const asked = call('GetSecretValue', id);
      const answer = await callAws(asked, run, async (options) =>
        readable(ValueEntry, await client.send(new GetSecretValueCommand({ SecretId: id }), options), asked),
      );
      return versionOf(id, answer);
    },
    async list(prefix, run) {
      const asked = call('ListSecrets', '*');
      // By name: a listing that changes under our eyes may show an entry twice.
      const found = new Map<string, ListedSecret>();
      const get = async (NextToken: string | undefined) => {
        const input = { Filters: [{ Key: 'name' as const, Values: [prefix] }], MaxResults: PAGE, NextToken };
        const page = await callAws(asked, run, async (options) =>
          readable(ListAnswer, await client.send(new ListSecretsCommand(input), options), asked),
        );
        for (const entry of page.SecretList) {
          const name = entry.Name ?? nameInArn(entry.ARN) ?? '';
          // The filter matches words too; the bare prefix names no connection.
          if (name.startsWith(prefix) && name.length > prefix.length) found.set(name, listed(name, entry, tagNames));
        }
        // Of a page nothing else is kept: its tags would fill the memory.
        return page.NextToken;
      };
      await pages(asked, get, (next) => next);
      return [...found.values()];
    },
    async describe(name, run) {
      const answer = await described(name, run);
      if (meant(answer.Name ?? answer.ARN, [name]) === undefined) throw unreadable(call('DescribeSecret', name));
      return listed(name, answer, tagNames);
    },
    tags(arn, willDo, run) {
      return kept(arn, willDo, async () => {
        const answer = await described(arn, run);
        const { ARN } = answer;
        // Whose tags these are decides who is served, so they are never taken for another's.
        if (typeof ARN !== 'string' || ![ARN, ARN.slice(0, -'-AbCdEf'.length), nameInArn(ARN)].includes(arn))
          throw unreadable(call('DescribeSecret', arn));
        return { arn: ARN, tags: tagsOf(answer.Tags) };
      });
    },
  };

  async function batch(
    names: readonly string[],
    found: Map<string, SecretVersion | RefreshError>,
    run: Run,
  ): Promise<void> {
    const asked = call('BatchGetSecretValue', '*');
    const get = (NextToken: string | undefined) => {
      const input = { SecretIdList: [...names], NextToken };
      return callAws(asked, run, async (options) =>
        readable(BatchAnswer, await client.send(new BatchGetSecretValueCommand(input), options), asked),
      );
    };
    const answers = await pages(asked, get, ({ NextToken }) => NextToken);
    const open = () => names.filter((name) => !found.has(name));
    for (const entry of answers.flatMap(({ SecretValues }) => SecretValues)) {
      const name = meant(entry.Name ?? entry.ARN, open());
      if (name !== undefined) found.set(name, readVersion(name, entry));
    }
    const ofNobody: string[] = [];
    for (const { SecretId, ErrorCode } of answers.flatMap(({ Errors }) => Errors)) {
      const name = meant(SecretId, open());
      if (name === undefined) ofNobody.push(codeOf(ErrorCode));
      else found.set(name, batchError(name, codeOf(ErrorCode)));
    }
    // A secret that is left out may be there: only an error says that it is not.
    const rest = open();
    const [code, ...others] = new Set(ofNobody);
    for (const name of rest)
      found.set(
        name,
        code !== undefined && others.length === 0 && ofNobody.length === rest.length
          ? batchError(name, code)
          : unreadable(call('BatchGetSecretValue', name)),
      );
  }
}

const Tags = list(v.object({ Key: text, Value: text }));
/** What ListSecrets and DescribeSecret say of a secret, as far as it is used. */
const Entry = v.object({ Name: text, ARN: text, CreatedDate: date, LastChangedDate: date, Tags });
const Described = v.object({ ...Entry.entries, DeletedDate: date });
const ListAnswer = v.object({ SecretList: list(Entry), NextToken: text });
const BatchAnswer = v.object({
  SecretValues: list(v.object({ ...ValueEntry.entries, Name: text, ARN: text })),
  Errors: list(v.object({ SecretId: text, ErrorCode: text })),
  NextToken: text,
});

const LATEST = new Date(8.64e15);

function tagsOf(listed: v.InferOutput<typeof Tags>): ReadonlyMap<string, string> {
  const tags = new Map<string, string>();
  for (const { Key, Value } of listed) {
    if (typeof Key === 'string' && typeof Value === 'string') tags.set(Key, Value);
  }
  return tags;
}

function listed(
  name: string,
  { LastChangedDate, CreatedDate, Tags: tags }: Omit<v.InferOutput<typeof Entry>, 'Name' | 'ARN'>,
  tagNames: ReadonlySet<string>,
): ListedSecret {
  return {
    name,
    // Without a date it would not be the first of several.
    createdAt: CreatedDate ?? LATEST,
    changedAt: LastChangedDate ?? CreatedDate ?? new Date(0),
    tags: tagsOf(tags.filter(({ Key }) => tagNames.has(Key ?? ''))),
  };
}

/** What BatchGetSecretValue says of one id. Its message is not repeated. */
function batchError(name: string, errorCode: string): RefreshError {
  switch (errorCode.replace(/Exception$/, '')) {
    case 'ResourceNotFound':
      return notFound(name);
    case 'InvalidRequest':
      return inDeletion(name);
    case 'DecryptionFailure':
      return keyTrouble(name, 'decrypted');
  }
  if (isDenial(errorCode))
    return new RefreshError('ACCESS_DENIED', `secretsmanager:GetSecretValue on ${name} is denied.`, {
      kind: 'allow',
      what: `secretsmanager:GetSecretValue on ${name} and kms:Decrypt on its key`,
      also: 'and check the policy of the secret',
    });
  return new RefreshError('SECRETS_UNAVAILABLE', `secretsmanager:BatchGetSecretValue gave ${errorCode} for ${name}.`, {
    kind: 'wait',
  });
}
