/** The secrets themselves: how one is found, changed and, at the end of its recovery window, gone. */
import { randomBytes } from 'node:crypto';
import type { Environment } from '../wire/environment.ts';
import { seconds } from '../wire/replies.ts';
import { invalidRequest, missing } from './errors.ts';
import type { SecretVersions } from './versions.ts';

export interface Secret {
  readonly arn: string;
  readonly name: string;
  description: string | undefined;
  kmsKeyId: string | undefined;
  readonly tags: Map<string, string>;
  readonly versions: SecretVersions;
  readonly createdAt: Date;
  changedAt: Date;
  /** The end of the recovery window. */
  deletedAt: Date | undefined;
  rotation: { functionArn: string; rules: unknown; enabled: boolean } | undefined;
  rotatedAt: Date | undefined;
}

export interface NewSecret {
  readonly name: string;
  readonly tags: Iterable<readonly [key: string, value: string]>;
  readonly description?: string | undefined;
  readonly kmsKeyId?: string | undefined;
}

/** What ListSecrets and DescribeSecret say of a secret; times in seconds. */
export interface SecretEntry {
  readonly ARN: string;
  readonly Name: string;
  readonly Description?: string | undefined;
  readonly KmsKeyId?: string | undefined;
  readonly RotationEnabled?: boolean | undefined;
  readonly RotationLambdaARN?: string | undefined;
  readonly RotationRules?: unknown;
  readonly LastRotatedDate?: number | undefined;
  readonly LastChangedDate: number;
  readonly CreatedDate: number;
  readonly DeletedDate?: number | undefined;
  readonly Tags: readonly { readonly Key: string; readonly Value: string }[];
  /** Only versions that carry a label. */
  readonly stages: Readonly<Record<string, readonly string[]>>;
}

/** ListSecrets may be five minutes behind; older states are never needed. */
const LONGEST_LAG = 300 * 1000;

export class SecretStore {
  readonly #env: Environment;
  readonly #secrets = new Map<string, Secret>();
  /** Per ARN, what a list could have shown from `at` on; `undefined` after the end. */
  readonly #history = new Map<string, { readonly at: number; readonly entry: SecretEntry | undefined }[]>();

  constructor(env: Environment) {
    this.#env = env;
  }

  /** Every secret, those that wait for their deletion included. */
  all(): readonly Secret[] {
    for (const secret of this.#secrets.values()) {
      if (secret.deletedAt !== undefined && secret.deletedAt <= this.#env.now()) this.remove(secret);
    }
    return [...this.#secrets.values()];
  }

  /** By name, ARN, or ARN without its six random characters. @throws ResourceNotFoundException */
  find(secretId: string): Secret {
    const secret = this.all().find(({ name, arn }) => [name, arn, arn.slice(0, -7)].includes(secretId));
    if (secret === undefined) throw missing("Secrets Manager can't find the specified secret.");
    return secret;
  }

  /** Like `find`, but refuses what is scheduled for deletion. @throws InvalidRequestException */
  live(secretId: string): Secret {
    const secret = this.find(secretId);
    if (secret.deletedAt === undefined) return secret;
    throw invalidRequest("You can't perform this operation on the secret because it was marked for deletion.");
  }

  create({ name, tags, description, kmsKeyId }: NewSecret): Secret {
    const secret: Secret = {
      arn: this.#env.arn('secretsmanager', `secret:${name}-${randomBytes(3).toString('hex')}`),
      name,
      description,
      kmsKeyId,
      tags: new Map(tags),
      versions: new Map(),
      createdAt: this.#env.now(),
      changedAt: this.#env.now(),
      deletedAt: undefined,
      rotation: undefined,
      rotatedAt: undefined,
    };
    this.#secrets.set(name, secret);
    this.changed(secret);
    return secret;
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

  /** What a list that lags by so many seconds shows now. */
  listed(lagSeconds: number): readonly SecretEntry[] {
    this.all();
    const seen = this.#env.now().getTime() - Math.min(lagSeconds * 1000, LONGEST_LAG);
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

export function entryOf(secret: Secret): SecretEntry {
  return {
    ARN: secret.arn,
    Name: secret.name,
    Description: secret.description,
    KmsKeyId: secret.kmsKeyId,
    RotationEnabled: secret.rotation?.enabled,
    RotationLambdaARN: secret.rotation?.functionArn,
    RotationRules: secret.rotation?.rules,
    LastRotatedDate: secret.rotatedAt && seconds(secret.rotatedAt),
    LastChangedDate: seconds(secret.changedAt),
    CreatedDate: seconds(secret.createdAt),
    DeletedDate: secret.deletedAt && seconds(secret.deletedAt),
    Tags: [...secret.tags].map(([Key, Value]) => ({ Key, Value })),
    stages: Object.fromEntries(
      [...secret.versions.values()].filter(({ stages }) => stages.size > 0).map(({ id, stages }) => [id, [...stages]]),
    ),
  };
}
