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
import { RefreshError, Unanswered } from '../core/errors.ts';
import type { StoredVersion, TokenStore } from '../core/ports.ts';
import type { Run } from '../core/run.ts';
import { date, list, pages, readable, text } from './aws-answer.ts';
import { callAws, unreadable } from './aws-call.ts';
import { call, inDeletion, keyTrouble, meant, ValueEntry, versionOf } from './secret-call.ts';

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
    const asked = call('GetSecretValue', name);
    const answer = await callAws(asked, run, (options) => unlessMissing(() => client.send(command, options)));
    if (answer === undefined) return undefined;
    const { CreatedDate, ...version } = readable(ValueAnswer, answer, asked);
    if (!(CreatedDate instanceof Date)) throw undated(name);
    return { ...versionOf(name, version), createdAt: CreatedDate, readAt: dateOf(name, answer) };
  };

  return {
    current: (name, run) => get(name, { VersionStage: 'AWSCURRENT' }, run),
    version: (name, versionId, run) => get(name, { VersionId: versionId }, run),
    async stages(name, run) {
      const command = new DescribeSecretCommand({ SecretId: name });
      const asked = call('DescribeSecret', name);
      const found = await callAws(asked, run, (options) => unlessMissing(() => client.send(command, options)));
      const stages = new Map<string, string>();
      if (found === undefined) return stages;
      const answer = readable(StagesAnswer, found, asked);
      // Of another secret, or of none, it would hide the lease of another run.
      if (meant(answer.Name ?? answer.ARN, [name]) === undefined) throw unreadable(asked);
      if (answer.DeletedDate instanceof Date) throw inDeletion(name);
      for (const [versionId, labels] of Object.entries(answer.VersionIdsToStages ?? {})) {
        for (const label of labels) stages.set(label, versionId);
      }
      return stages;
    },
    async youngVersions(name, run) {
      const asked = call('ListSecretVersionIds', name);
      const get = async (NextToken: string | undefined) => {
        const input = { SecretId: name, IncludeDeprecated: true, MaxResults: PAGE, NextToken };
        const answer = await callAws(asked, run, (options) =>
          unlessMissing(() => client.send(new ListSecretVersionIdsCommand(input), options)),
        );
        if (answer === undefined) return { young: 0, NextToken: undefined };
        const read = readable(VersionsAnswer, answer, asked);
        const dayAgo = dateOf(name, answer).getTime() - DAY;
        // Of a version without a date it is not known that it is old.
        const isYoung = (created: Date | null | undefined) => (created?.getTime() ?? dayAgo) >= dayAgo;
        return {
          young: read.Versions.filter(({ CreatedDate }) => isYoung(CreatedDate)).length,
          NextToken: read.NextToken,
        };
      };
      const counts = await pages(asked, get, (page) => page.NextToken);
      return counts.reduce((sum, { young }) => sum + young, 0);
    },
    create(name, versionId, value, run) {
      const input = {
        Name: name,
        ClientRequestToken: versionId,
        SecretString: value.reveal(),
        Description: 'Tokens kept by appflow-token-refresher. Read them if you must, never write them.',
        ...(kmsKeyId === undefined ? {} : { KmsKeyId: kmsKeyId }),
      };
      const asked = call('CreateSecret', name);
      // The secret is what is being made: what is not there is the key that it is to be encrypted under.
      const meanings = {
        ...asked.meanings,
        ResourceNotFoundException: (cause: Error) => keyTrouble(name, 'encrypted', cause),
      };
      return callAws({ ...asked, meanings }, run, (options) =>
        unlessExists(async () =>
          readable(putAnswer(versionId), await client.send(new CreateSecretCommand(input), options), asked),
        ),
      );
    },
    put({ name, versionId, value, stages, attempts }, run) {
      const input = {
        SecretId: name,
        ClientRequestToken: versionId,
        SecretString: value.reveal(),
        ...(stages === undefined ? {} : { VersionStages: [...stages] }),
      };
      const asked = call('PutSecretValue', name);
      return callAws(
        asked,
        run,
        (options) =>
          unlessExists(async () =>
            readable(putAnswer(versionId), await client.send(new PutSecretValueCommand(input), options), asked),
          ),
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
      const asked = call('UpdateSecretVersionStage', name);
      const answer = await callAws(asked, run, async (options) =>
        readable(MoveAnswer, await client.send(new UpdateSecretVersionStageCommand(input), options), asked),
      );
      if (meant(answer.Name ?? answer.ARN, [name]) === undefined) throw Unanswered.of(unreadable(asked));
    },
  };
}

/** Secrets Manager repeats the id of what it took. Another answer is no proof that a token was stored. */
const putAnswer = (versionId: string) => v.object({ VersionId: v.literal(versionId) });
const MoveAnswer = v.object({ Name: text, ARN: text });
const ValueAnswer = v.object({ ...ValueEntry.entries, CreatedDate: date });
const StagesAnswer = v.object({
  Name: text,
  ARN: text,
  DeletedDate: date,
  VersionIdsToStages: v.nullish(v.record(v.string(), list(v.string()))),
});
const VersionsAnswer = v.object({ Versions: list(v.object({ CreatedDate: date })), NextToken: text });

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
