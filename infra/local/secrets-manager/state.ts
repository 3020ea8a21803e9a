/** How tests and the sample loader look into Secrets Manager, and put secrets there as a person would. */
import { randomUUID } from 'node:crypto';
import type { Rotations } from './rotation.ts';
import { entryOf, type SecretStore } from './store.ts';
import { versionWith } from './versions.ts';

/** No permissions, no faults, but the same rules. */
export function createSecretsState(store: SecretStore, rotations: Rotations) {
  const lookUp = (name: string) => store.all().find((secret) => secret.name === name);
  return {
    /** How far ListSecrets is behind, 0 to 300. */
    get listLagSeconds() {
      return store.listLagSeconds;
    },
    set listLagSeconds(seconds: number) {
      store.listLagSeconds = seconds;
    },
    /** Puts a secret into the world, as a person or Terraform would. */
    create({
      name,
      value,
      tags = {},
      kmsKeyId,
    }: {
      readonly name: string;
      readonly value?: string;
      readonly tags?: Readonly<Record<string, string>>;
      readonly kmsKeyId?: string;
    }) {
      if (lookUp(name) !== undefined) throw new Error(`Secret ${name} exists already.`);
      const pairs = Object.entries(tags).map(([Key, Value]) => ({ Key, Value }));
      const secret = store.create({ name, tags: pairs, kmsKeyId });
      return { arn: secret.arn, versionId: value === undefined ? undefined : this.put(name, value) };
    },
    /** A new version, AWSCURRENT; returns its id. */
    put: (name: string, value: string) => store.put(store.find(name), randomUUID(), value).id,
    /** The value with that label, AWSCURRENT unless given. */
    read(name: string, stage = 'AWSCURRENT') {
      const secret = lookUp(name);
      return secret && versionWith(secret.versions, stage)?.value;
    },
    /** Without a value where a rotation has not filled the version yet. */
    versions: (name: string) =>
      [...(lookUp(name)?.versions.values() ?? [])].map((version) => ({ ...version, stages: [...version.stages] })),
    describe(name: string) {
      const secret = lookUp(name);
      return secret && entryOf(secret);
    },
    names: () => store.all().map(({ name }) => name),
    /** Replaces its tags, as TagResource and UntagResource do. */
    tag: (name: string, tags: Readonly<Record<string, string>>) =>
      store.tag(
        store.find(name),
        Object.entries(tags).map(([Key, Value]) => ({ Key, Value })),
      ),
    remove: (name: string) => store.remove(store.find(name)),
    rotations: () => rotations.list,
    /** Resolves when no rotation is running any more. */
    settled: () => rotations.settled(),
  };
}
