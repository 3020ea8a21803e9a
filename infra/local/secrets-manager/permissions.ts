/** What IAM and KMS are asked about a secret. */
import type { Access, Need } from '../wire/access.ts';
import type { Environment } from '../wire/environment.ts';
import { AwsError } from '../wire/error.ts';
import type { Secret, SecretStore } from './store.ts';

export interface SecretPermissions {
  /** IAM judges by ARN, but AWS prints a secret as the caller named it. */
  need(action: string, secretId: string): Need;
  /** @throws AccessDeniedException where the secret's own KMS key is denied. */
  checkKey(secret: Secret, action: 'kms:Decrypt' | 'kms:GenerateDataKey'): void;
}

export function createSecretPermissions(env: Environment, access: Access, store: SecretStore): SecretPermissions {
  return {
    need(action, secretId) {
      const known = store.all().find(({ name, arn }) => name === secretId || arn.startsWith(secretId));
      const resource = secretId.startsWith('arn:') ? secretId : env.arn('secretsmanager', `secret:${secretId}-??????`);
      return { action: `secretsmanager:${action}`, resource: known?.arn ?? resource, named: secretId };
    },
    /** A secret under a customer's key needs that key too; the AWS managed key is open to all. */
    checkKey({ kmsKeyId }, action) {
      if (kmsKeyId === undefined) return;
      const resource = kmsKeyId.startsWith('arn:') ? kmsKeyId : env.arn('kms', `key/${kmsKeyId}`);
      if (!access.allows({ action, resource }))
        throw new AwsError('AccessDeniedException', 'Access to KMS is not allowed');
    },
  };
}
