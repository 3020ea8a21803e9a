/** IAM in miniature: everything is allowed but what a test takes away, and then refused in AWS's own words. */
import { AwsError } from './replies.ts';

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

export class Access {
  readonly #principal: string;
  #denied: readonly Denial[];

  constructor(accountId: string, denied: readonly Denial[] = []) {
    this.#principal = `arn:aws:sts::${accountId}:assumed-role/local/session`;
    this.#denied = denied;
  }

  /** Replaces what is denied; `[]` allows everything again. */
  deny(denials: readonly Denial[]): void {
    this.#denied = denials;
  }

  allows({ action, resource, named }: Need): boolean {
    return !this.#denied.some(
      (denial) =>
        matches(denial.action.toLowerCase(), action.toLowerCase()) &&
        [resource, named].some((one) => one !== undefined && matches(denial.resource ?? '*', one)),
    );
  }

  /** @throws AccessDeniedException */
  check(need: Need): void {
    if (!this.allows(need)) throw refusal(this.#principal, need);
  }
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
