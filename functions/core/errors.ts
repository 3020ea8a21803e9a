import { type Hint, hintForLog } from './hint.ts';
import { bounded, MOST_MESSAGE, publicName } from './wording.ts';

/**
 * Every code an operator can meet, whether the queue should try again, and what the code means in one line. The
 * tables of docs/errors.md and of the runbook follow this one.
 */
export const ERROR_CODES = {
  INPUT_INVALID: { retryable: false, meaning: 'The event is not one that this function takes.' },
  SETTINGS_INVALID: { retryable: false, meaning: 'An environment variable of the function is wrong.' },
  SECRET_NOT_FOUND: { retryable: false, meaning: 'The connection has no secret, or the secret has no value.' },
  SECRET_MALFORMED: { retryable: false, meaning: "The connection's secret or one of its tags is wrong." },
  KEY_UNUSABLE: { retryable: false, meaning: 'The signing key or certificate cannot be used.' },
  LOGIN_HOST_REFUSED: { retryable: false, meaning: 'The login URL is not one of LOGIN_HOSTS.' },
  PROFILE_MISMATCH: {
    retryable: false,
    meaning: "A tag, message or event names another profile than the value of the connection's secret.",
  },
  INSTANCE_HOST_REFUSED: { retryable: false, meaning: 'The profile points to a host outside INSTANCE_HOSTS.' },
  LIFETIME_TOO_SHORT: { retryable: false, meaning: 'The credential would end before the next refresh.' },
  INTERVAL_TOO_SHORT: { retryable: false, meaning: 'More secret versions a day than a secret may hold.' },
  CONSTRAINT_VIOLATED: { retryable: false, meaning: "A value breaks one of AppFlow's published limits." },
  PROFILE_NOT_FOUND: { retryable: false, meaning: 'AppFlow has no connector profile of that name.' },
  PROFILE_NOT_SALESFORCE: { retryable: false, meaning: 'The connector profile is not a Salesforce one.' },
  PROFILE_SHARED: { retryable: false, meaning: 'A secret that was created before names the same profile.' },
  PROFILE_REJECTED: { retryable: false, meaning: 'AppFlow refused the new credentials.' },
  GRANT_UNSUPPORTED: { retryable: false, meaning: 'AppFlow does not support this grant for Salesforce.' },
  SALESFORCE_REFUSED: { retryable: false, meaning: 'Salesforce refused for good: a person must act.' },
  SALESFORCE_UNAVAILABLE: { retryable: true, meaning: 'Salesforce timed out, failed or throttled.' },
  SALESFORCE_REPLY_UNREADABLE: { retryable: true, meaning: 'Salesforce answered something that is no token response.' },
  APPFLOW_UNAVAILABLE: { retryable: true, meaning: 'AppFlow timed out, failed, throttled or was busy.' },
  SECRETS_UNAVAILABLE: { retryable: true, meaning: 'Secrets Manager timed out, failed or throttled.' },
  KMS_UNAVAILABLE: { retryable: true, meaning: 'KMS timed out, failed or throttled.' },
  ACCESS_DENIED: { retryable: false, meaning: 'IAM, a resource policy or a key policy forbids a call.' },
  TOKEN_NOT_PERSISTED: { retryable: true, meaning: 'A new refresh token could not be stored where it belongs.' },
  OUT_OF_TIME: { retryable: true, meaning: "The function's deadline came first." },
} as const satisfies Record<string, { retryable: boolean; meaning: string }>;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * The one error of this product. `name` equals `code`, so that Lambda reports it as `errorType`.
 *
 * `message` and `hint` are safe to log: whoever builds one puts in names, limits and our own words, never a value that came
 * from a secret or from a response. Both are of bounded length, whatever is put into them. `cause` is for a debugger alone: it may hold a
 * response and must never be printed whole.
 */
export class RefreshError extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  /** What a person should do next, naming the connection or the resource; as data, for readers who need other words than the log's. */
  readonly next: Hint;

  /** @param next a string is a hint whose words hold for every reader */
  constructor(code: ErrorCode, message: string, next: string | Hint, cause?: unknown) {
    super(bounded(message, MOST_MESSAGE), cause === undefined ? undefined : { cause });
    this.name = code;
    this.code = code;
    this.retryable = ERROR_CODES[code].retryable;
    this.next = typeof next === 'string' ? { kind: 'do', text: next } : next;
  }

  /** The hint in the words of the log and the report. */
  get hint(): string {
    return hintForLog(this.next);
  }
}

/** The deadline of the run came first. @param during what was under way or waited for, as a noun */
export function outOfTime(during: string, cause?: unknown): RefreshError {
  return new RefreshError(
    'OUT_OF_TIME',
    `The function's deadline came during ${during}.`,
    { kind: 'wait', ifItDoes: 'If it does, look for a slow neighbour or raise the timeout.' },
    cause,
  );
}

/**
 * A request that changes something was sent, and no answer came: it may have been applied, it may not, and it may still arrive. Who holds a lease
 * must not release it then.
 */
export class Unanswered extends RefreshError {
  /** The same error, of a request whose outcome is unknown. It loses its class: what is worth a new try is none where the first may still arrive. */
  static of({ code, message, next, cause }: RefreshError): Unanswered {
    return new Unanswered(code, message, next, cause);
  }
}

/** What `get` gives, or the RefreshError that it throws; anything else it throws is a bug and goes on. */
export async function orRefreshError<T>(get: () => T | Promise<T>): Promise<T | RefreshError> {
  try {
    return await get();
  } catch (error) {
    if (error instanceof RefreshError) return error;
    throw error;
  }
}

/**
 * The names of an error and of its causes, outermost first, such as `["PROFILE_REJECTED", "ValidationException"]`. It is all that
 * may be logged of a cause: messages of AWS quote the offending value, those of OAuth libraries carry the response.
 */
export function errorNames(error: unknown): string[] {
  const names: string[] = [];
  for (let e = error; e instanceof Error && names.length < 5; e = e.cause) names.push(publicName(e.name));
  return names;
}

/** All that may be shown of a bug: its name, and where it is. Its message might quote what it stumbled over. */
export function bugIn(error: unknown): { readonly name: string; readonly place: readonly string[] } {
  return error instanceof Error
    ? { name: publicName(error.name), place: framesOf(error) }
    : { name: 'NotAnError', place: [] };
}

/**
 * The first frames of a stack, which V8 writes behind the message. A message can have lines that look like frames, so there is none where the
 * stack does not begin with the message as it is: somebody has changed one of them since.
 */
function framesOf({ stack = '', message }: Error): readonly string[] {
  const name = /^[\w.$]{1,80}(?: \[\w{1,60}\])?(?:: )?/.exec(stack)?.[0] ?? '';
  const frames = stack.slice(name.length + message.length);
  if (!stack.startsWith(message, name.length) || !frames.startsWith('\n')) return [];
  return frames
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .map((line) => line.trim())
    .slice(0, 8);
}

/** AppFlow tried the new credentials at Salesforce and was refused (`ConnectorAuthenticationException`): worth one new try with fresh ones. */
export class CredentialsRefused extends RefreshError {
  constructor(message: string, next: string, cause: unknown) {
    super('PROFILE_REJECTED', message, next, cause);
  }
}
