/** IAM in miniature: everything is allowed but what a test takes away, and then refused in AWS's own words. */
import { AwsError } from './error.ts';

/** One action on one resource, as IAM would judge it. */
export interface Need {
  /** `secretsmanager:PutSecretValue` */
  readonly action: string;
  /** The ARN that a policy is held against, or `*`. */
  readonly resource: string;
  /** The resource as the refusal prints it, where AWS does not print the ARN. */
  readonly named?: string;
}

/** Patterns with `*` and `?`; the action in any case. Without a resource it covers all of them. */
export interface Denial {
  readonly action: string;
  readonly resource?: string;
}

export interface Access {
  /** Replaces what is denied; `[]` allows everything again. */
  deny(denials: readonly Denial[]): void;
  allows(need: Need): boolean;
  /** @throws AccessDeniedException */
  check(need: Need): void;
}

export function createAccess(accountId: string, initial: readonly Denial[] = []): Access {
  let denied = initial;
  const principal = `arn:aws:sts::${accountId}:assumed-role/local/session`;
  const access: Access = {
    deny(denials) {
      denied = denials;
    },
    allows(need) {
      return !denied.some(
        ({ action, resource = '*' }) =>
          matches(action.toLowerCase(), need.action.toLowerCase()) &&
          (matches(resource, need.resource) || (need.named !== undefined && matches(resource, need.named))),
      );
    },
    check(need) {
      if (!access.allows(need)) throw refusal(principal, need);
    },
  };
  return access;
}

function refusal(principal: string, { action, resource, named }: Need): AwsError {
  const isQueue = action.startsWith('sqs:');
  // SQS alone prints the action in small letters.
  const printed = isQueue ? action.toLowerCase() : action;
  const isRest = action.startsWith('appflow:') || action.startsWith('lambda:');
  return new AwsError(
    isQueue ? 'AccessDenied' : 'AccessDeniedException',
    `User: ${principal} is not authorized to perform: ${printed} on resource: ${named ?? resource} because no identity-based policy allows the ${printed} action`,
    isQueue || isRest ? 403 : 400,
  );
}

function matches(pattern: string, value: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, 's').test(value);
}
