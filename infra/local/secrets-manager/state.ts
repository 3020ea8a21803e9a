/** How tests and the sample loader look into Secrets Manager, and put secrets there as a person would. */
import { randomUUID } from 'node:crypto';
import type { Environment } from '../wire/environment.ts';
import type { Rotation, Rotations } from './rotation.ts';
import { checkedTags, checkName } from './rules.ts';
import { entryOf, type SecretEntry, type SecretStore } from './store.ts';
import { putVersion, type SecretContent, versionWith } from './versions.ts';

export interface SeenVersion {
  readonly id: string;
  readonly stages: readonly string[];
  /** Base64 for a binary secret; `undefined` for a version that a rotation has not filled yet. */
  readonly value: string | undefined;
  readonly createdAt: Date;
}

/** For tests and the sample loader: no permissions, no faults, but the same rules. */
export interface SecretsState {
  /** Puts a secret into the world, as a person or Terraform would. */
  create(secret: {
    readonly name: string;
    readonly value?: string;
    readonly tags?: Readonly<Record<string, string>>;
    readonly description?: string;
    readonly kmsKeyId?: string;
  }): { readonly arn: string; readonly versionId: string | undefined };
  /** A new version, AWSCURRENT unless `stages` says otherwise; returns its id. */
  put(
    name: string,
    value: string,
    options?: { readonly versionId?: string; readonly stages?: readonly string[] },
  ): string;
  /** The value with that label, AWSCURRENT unless given. */
  read(name: string, stage?: string): string | undefined;
  versions(name: string): readonly SeenVersion[];
  describe(name: string): SecretEntry | undefined;
  names(): readonly string[];
  remove(name: string): void;
  rotations(): readonly Rotation[];
  /** Resolves when no rotation is running any more. */
  settled(): Promise<void>;
  /** How far ListSecrets and filters are behind, 0 to 300. */
  listLagSeconds: number;
}

export function createSecretsState(env: Environment, store: SecretStore, rotations: Rotations): SecretsState {
  const lookUp = (name: string) => store.all().find((secret) => secret.name === name);
  const plain = (content: SecretContent | undefined) =>
    content === undefined ? undefined : 'SecretString' in content ? content.SecretString : content.SecretBinary;
  const state: SecretsState = {
    listLagSeconds: 0,
    create({ name, value, tags = {}, description, kmsKeyId }) {
      checkName(name);
      const pairs = checkedTags(Object.entries(tags).map(([Key, Value]) => ({ Key, Value })));
      if (lookUp(name) !== undefined) throw new Error(`Secret ${name} exists already.`);
      const secret = store.create({ name, tags: pairs, description, kmsKeyId });
      return { arn: secret.arn, versionId: value === undefined ? undefined : state.put(name, value) };
    },
    put(name, value, { versionId = randomUUID(), stages = ['AWSCURRENT'] } = {}) {
      const secret = store.live(name);
      const { changed } = putVersion(secret.versions, {
        id: versionId,
        content: { SecretString: value },
        stages,
        now: env.now(),
      });
      if (changed) store.changed(secret);
      return versionId;
    },
    read(name, stage = 'AWSCURRENT') {
      const secret = lookUp(name);
      return secret && plain(versionWith(secret.versions, stage)?.content);
    },
    versions(name) {
      const versions = [...(lookUp(name)?.versions.values() ?? [])];
      return versions.map(({ id, stages, content, createdAt }) => ({
        id,
        stages: [...stages],
        value: plain(content),
        createdAt,
      }));
    },
    describe(name) {
      const secret = lookUp(name);
      return secret && entryOf(secret);
    },
    names: () => store.all().map(({ name }) => name),
    remove(name) {
      store.remove(store.find(name));
    },
    rotations: () => rotations.list(),
    settled: () => rotations.settled(),
  };
  return state;
}
