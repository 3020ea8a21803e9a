import {
  CreateSecretCommand,
  DescribeSecretCommand,
  GetSecretValueCommand,
  ListSecretVersionIdsCommand,
  PutSecretValueCommand,
  type SecretsManagerClient,
  UpdateSecretVersionStageCommand,
} from '@aws-sdk/client-secrets-manager';
import * as v from 'valibot';
import { RefreshError } from '../core/errors.ts';
import type { StoredVersion, TokenStore } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { callAws } from './aws-call.ts';
import { call, inDeletion, versionOf } from './secret-call.ts';

/** The most versions on a page of ListSecretVersionIds. */
const PAGE = 100;

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
