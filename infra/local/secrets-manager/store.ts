/** The secrets themselves: what one may be called, how it is found and changed, and what a list shows of it. */
import { randomBytes } from 'node:crypto';
import type { Environment } from '../wire/operation.ts';
import { AwsError, errorOf, seconds } from '../wire/replies.ts';
import { invalidParameter, missing, putVersion, type SecretVersion, type SecretVersions } from './versions.ts';

export const invalidRequest = errorOf('InvalidRequestException');

export interface Secret {
  readonly arn: string;
  readonly name: string;
  readonly description: string | undefined;
  readonly kmsKeyId: string | undefined;
  tags: readonly Tag[];
  readonly versions: SecretVersions;
  readonly createdAt: Date;
  changedAt: Date;
  /** An ARN. */
  rotationFunction: string | undefined;
  rotatedAt: Date | undefined;
}

interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface NewSecret extends Partial<Pick<Secret, 'description' | 'kmsKeyId'>> {
  readonly name: string;
  readonly tags?: readonly { readonly Key?: string; readonly Value?: string }[];
}

type SecretEntry = ReturnType<typeof entryOf>;

/** ListSecrets may be five minutes behind; older states are never needed. */
const LONGEST_LAG = 300 * 1000;

export class SecretStore {
  /** How far lists are behind, 0 to 300. */
  listLagSeconds = 0;
  readonly #env: Environment;
  readonly #secrets = new Map<string, Secret>();
  /** Per ARN, what a list could have shown from `at` on; `undefined` after the end. */
  readonly #history = new Map<string, { readonly at: number; readonly entry: SecretEntry | undefined }[]>();

  constructor(env: Environment) {
    this.#env = env;
  }

  all(): readonly Secret[] {
    return [...this.#secrets.values()];
  }

  /** By name, ARN, or ARN without its six random characters. */
  lookUp(secretId: string): Secret | undefined {
    return this.all().find(({ name, arn }) => [name, arn, arn.slice(0, -7)].includes(secretId));
  }

  /** @throws ResourceNotFoundException */
  find(secretId: string): Secret {
    const secret = this.lookUp(secretId);
    if (secret === undefined) throw missing("Secrets Manager can't find the specified secret.");
    return secret;
  }

  /** @throws ValidationException, InvalidParameterException */
  create({ name, tags = [], description, kmsKeyId }: NewSecret): Secret {
    if (!/^[A-Za-z0-9/_+=.@!-]+$/.test(name)) {
      throw new AwsError(
        'ValidationException',
        'Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!',
      );
    }
    const secret: Secret = {
      arn: this.#env.arn('secretsmanager', `secret:${name}-${randomBytes(3).toString('hex')}`),
      name,
      description,
      kmsKeyId,
      tags: checkedTags(tags),
      versions: new Map(),
      createdAt: this.#env.now(),
      changedAt: this.#env.now(),
      rotationFunction: undefined,
      rotatedAt: undefined,
    };
    this.#secrets.set(name, secret);
    this.changed(secret);
    return secret;
  }

  put(secret: Secret, id: string, value: string, stages: readonly string[] = ['AWSCURRENT']): SecretVersion {
    const { version, changed } = putVersion(secret.versions, { id, value, stages, now: this.#env.now() });
    if (changed) this.changed(secret);
    return version;
  }

  tag(secret: Secret, tags: NonNullable<NewSecret['tags']>): void {
    secret.tags = checkedTags(tags);
    this.changed(secret);
  }

  remove(secret: Secret): void {
    this.#secrets.delete(secret.name);
    this.#remember(secret.arn, undefined);
  }

  /** To be called after every change: moves LastChangedDate and keeps what ListSecrets may still show for a while. */
  changed(secret: Secret): void {
    secret.changedAt = this.#env.now();
    this.#remember(secret.arn, entryOf(secret));
  }

  /** What a list shows now. */
  listed(): readonly SecretEntry[] {
    const seen = this.#env.now().getTime() - Math.min(this.listLagSeconds * 1000, LONGEST_LAG);
    return [...this.#history.values()].flatMap((states) => states.findLast((state) => state.at <= seen)?.entry ?? []);
  }

  #remember(arn: string, entry: SecretEntry | undefined): void {
    const at = this.#env.now().getTime();
    const states = this.#history.get(arn) ?? [];
    states.push({ at, entry });
    const oldest = states.findLastIndex((state) => state.at <= at - LONGEST_LAG);
    if (oldest > 0) states.splice(0, oldest);
    this.#history.set(arn, states);
  }
}

function checkedTags(tags: NonNullable<NewSecret['tags']>): readonly Tag[] {
  const keys = tags.map(({ Key = '' }) => Key);
  if (new Set(keys).size !== keys.length) throw invalidParameter('Duplicate tag keys found.');
  if (keys.length > 50) throw invalidParameter('A secret can have at most 50 tags.');
  return tags.map(({ Key = '', Value = '' }) => {
    if (Key.toLowerCase().startsWith('aws:')) throw invalidParameter("Tag keys can't start with aws:.");
    if (!/^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u.test(Key + Value)) {
      throw invalidParameter('A tag holds characters that are not allowed.');
    }
    return { Key, Value };
  });
}

/** What ListSecrets and DescribeSecret say of a secret; times in seconds. */
export function entryOf(secret: Secret) {
  const labelled = [...secret.versions.values()].filter(({ stages }) => stages.size > 0);
  return {
    ARN: secret.arn,
    Name: secret.name,
    Description: secret.description,
    KmsKeyId: secret.kmsKeyId,
    RotationEnabled: secret.rotationFunction === undefined ? undefined : true,
    RotationLambdaARN: secret.rotationFunction,
    LastRotatedDate: secret.rotatedAt && seconds(secret.rotatedAt),
    LastChangedDate: seconds(secret.changedAt),
    CreatedDate: seconds(secret.createdAt),
    Tags: secret.tags,
    stages: labelled.length === 0 ? undefined : Object.fromEntries(labelled.map(({ id, stages }) => [id, [...stages]])),
  };
}
