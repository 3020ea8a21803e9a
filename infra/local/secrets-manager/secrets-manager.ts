/** Secrets Manager: https://docs.aws.amazon.com/secretsmanager/latest/apireference/ */
import type { Access } from '../wire/access.ts';
import type { Environment } from '../wire/environment.ts';
import type { Service } from '../wire/operation.ts';
import { createSecretPermissions } from './permissions.ts';
import { readingOperations } from './reading.ts';
import { type InvokeFunction, Rotations } from './rotation.ts';
import { createSecretsState, type SecretsState } from './state.ts';
import { SecretStore } from './store.ts';
import { writingOperations } from './writing.ts';

export interface SecretsManager {
  readonly service: Service;
  readonly state: SecretsState;
  /** AWSCURRENT by ARN or name, as another AWS service reads it. */
  readForService(secretId: string): string | undefined;
}

export function createSecretsManager(
  env: Environment,
  access: Access,
  invoke: InvokeFunction | undefined,
): SecretsManager {
  const store = new SecretStore(env);
  const rotations = new Rotations(env, store, invoke);
  const permissions = createSecretPermissions(env, access, store);
  const state = createSecretsState(env, store, rotations);
  return {
    service: {
      name: 'secretsmanager',
      protocol: 'json1.1',
      operations: [
        ...readingOperations(store, access, permissions, () => state.listLagSeconds),
        ...writingOperations(env, store, permissions, rotations),
      ],
    },
    state,
    readForService(secretId) {
      const secret = store
        .all()
        .find(({ name, arn, deletedAt }) => deletedAt === undefined && (name === secretId || arn === secretId));
      return secret && state.read(secret.name);
    },
  };
}
