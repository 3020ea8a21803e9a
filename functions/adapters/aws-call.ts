import { type ErrorCode, outOfTime, RefreshError, Unanswered } from '../core/errors.ts';
import { withRetries } from '../core/retry.ts';
import type { Run } from '../core/run.ts';
import { publicName } from '../core/wording.ts';

/** Error names that AWS services use for throttling, and for requests that ended before their time; most are modelled by no operation, so they must be known by name. */
const THROTTLING = new Set([
  'BandwidthLimitExceeded',
  'KmsThrottled',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestAbortedException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'RequestTimeout',
  'RequestTimeoutException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
]);

/** Names of errors that mean a denial. */
const DENIED = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'NotAuthorizedException',
  'OptInRequired',
  'SignatureDoesNotMatch',
  'UnauthorizedOperation',
  'UnrecognizedClientException',
]);

/** Whether an error of that name, or an entry with that code, is a denial. */
export function isDenial(name: string): boolean {
  return DENIED.has(name) || name.includes('AccessDenied');
}

/** What an error of an AWS client means for the caller, whatever the service. */
export type AwsErrorKind = 'denied' | 'transient' | 'other';

/**
 * Sorts an error by its name and HTTP status. Transient are throttling, 5xx, a conflict with an operation that is under way, and everything that
 * reached no service (time-outs, reset connections). The SDK's own retries leave `ConflictException` out, hence ours.
 */
export function awsErrorKind(error: unknown): AwsErrorKind {
  if (!(error instanceof Error)) return 'other';
  if (isDenial(error.name)) return 'denied';
  if (THROTTLING.has(error.name) || error.name === 'ConflictException') return 'transient';
  const status = httpStatus(error);
  if (status !== undefined) return status >= 500 || status === 429 ? 'transient' : 'other';
  return isNetworkError(error) ? 'transient' : 'other';
}

/** What Node's sockets, resolver and HTTP client call trouble on the way. */
const NETWORK_CODES = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'EPROTO',
  'ETIMEDOUT',
]);

/** Trouble that comes before a request is sent. */
const NOT_SENT_CODES = new Set(['ECONNREFUSED', 'EAI_AGAIN', 'ENOTFOUND', 'UND_ERR_CONNECT_TIMEOUT']);

/** The code that Node gives to trouble on the way, wherever in the chain of causes it stands. */
export function networkCode(error: unknown): string | undefined {
  for (let e = error; e instanceof Error; e = e.cause) {
    if ('code' in e && typeof e.code === 'string') return e.code;
  }
  return undefined;
}

/**
 * Whether a request was sent, or may have been, and got no answer that settles it: all that is not known never to have left. A gateway's own
 * answer (502, 504) is none: what is behind it may still be at work. Nor is a success that cannot be read: it is of somebody in between.
 */
export function isUnanswered(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const status = httpStatus(error);
  if (status !== undefined)
    return status === 502 || status === 504 || isSuccess(status) || (status < 500 && isOfNoService(error));
  return !NOT_SENT_CODES.has(networkCode(error) ?? '');
}

function isSuccess(status: number): boolean {
  return status >= 200 && status < 300;
}

/** What the SDK calls an answer whose body it cannot read, or that names no error: it is of somebody in between, or of nobody. */
const OF_NO_SERVICE = new Set(['SyntaxError', 'TypeError', 'Unknown', 'UnknownError']);

function isOfNoService({ name }: Error): boolean {
  return OF_NO_SERVICE.has(name);
}

function isNetworkError(error: Error): boolean {
  for (let e: unknown = error; e instanceof Error; e = e.cause) {
    if (e.name === 'TimeoutError' || e.name === 'AbortError') return true;
    if ('code' in e && typeof e.code === 'string' && (NETWORK_CODES.has(e.code) || e.code.startsWith('UND_ERR_')))
      return true;
  }
  return false;
}

function httpStatus(error: Error): number | undefined {
  if (!('$metadata' in error)) return undefined;
  const metadata: unknown = error.$metadata;
  if (typeof metadata !== 'object' || metadata === null || !('httpStatusCode' in metadata)) return undefined;
  return typeof metadata.httpStatusCode === 'number' ? metadata.httpStatusCode : undefined;
}

/** One call as its errors should name it. */
export interface AwsCall {
  /** IAM's word for it, such as `appflow:UpdateConnectorProfile`. */
  readonly action: string;
  /** What it was called on, for people: an ARN, a name, `*`. */
  readonly resource: string;
  /** The code of this neighbour where it cannot be reached. */
  readonly unavailable: ErrorCode;
  /** What the operation's own errors mean, by name. */
  readonly meanings?: Readonly<Record<string, (cause: Error) => RefreshError>>;
}

/**
 * Turns what an AWS client threw into an error of ours. Never repeats AWS's message: validation messages quote the value. From a denial only
 * action and resource are taken. What is no answer of a service and no network error is a bug of ours and comes back unchanged.
 */
export function translateAwsError(error: unknown, call: AwsCall, run: Run): unknown {
  if (error instanceof RefreshError) return error;
  if (error instanceof Error && call.meanings !== undefined && Object.hasOwn(call.meanings, error.name))
    return call.meanings[error.name]?.(error);
  const kind = awsErrorKind(error);
  if (kind === 'denied') {
    const { action, resource } = denial(error, call);
    return new RefreshError(
      'ACCESS_DENIED',
      `${action} on ${resource} is denied.`,
      {
        kind: 'allow',
        what: `${action} on ${resource}`,
        also: 'and in the policy of the resource or key if it has one',
      },
      error,
    );
  }
  if (kind !== 'transient') return unexpected(error, call);
  if (run.signal.aborted) return outOfTime(`${call.action} on ${call.resource}`, error);
  const name = publicName(error instanceof Error ? error.name : undefined);
  return new RefreshError(
    call.unavailable,
    `${call.action} on ${call.resource} failed for now (${name}).`,
    { kind: 'wait', ifItDoes: 'See the AWS Health Dashboard and the service quotas.' },
    error,
  );
}

/** IAM's words for calls that change nothing: what becomes of one that got no answer does not matter. */
const READ = /:(BatchGet|Describe|Get|List)[A-Z]/;

/**
 * One call of AWS, as every adapter makes it: retried where that is worth it, aborted at the deadline, its errors in our words.
 *
 * @param attempts how often it is tried at most
 * @throws Unanswered where it failed and one of its requests, which would change something, got no answer
 */
export async function callAws<T>(
  call: AwsCall,
  run: Run,
  attempt: (options: { readonly abortSignal: AbortSignal }) => Promise<T>,
  attempts?: number,
): Promise<T> {
  let isLost = false;
  try {
    return await withRetries(
      run,
      async () => {
        try {
          return await attempt({ abortSignal: run.signal });
        } catch (error) {
          // What is denied before it is sent, such as for want of credentials, has no status either.
          isLost ||= !READ.test(call.action) && awsErrorKind(error) !== 'denied' && isUnanswered(error);
          throw error;
        }
      },
      (error) => awsErrorKind(error) === 'transient',
      attempts,
    );
  } catch (error) {
    const translated = translateAwsError(error, call, run);
    throw isLost && translated instanceof RefreshError ? Unanswered.of(translated) : translated;
  }
}

const SERVICES: Readonly<Record<string, string>> = {
  appflow: 'AppFlow',
  kms: 'KMS',
  secretsmanager: 'Secrets Manager',
  sqs: 'SQS',
  ssm: 'Parameter Store',
};

/**
 * An answer that is none of the service. Without a cause: a parser's message quotes what it could not read.
 *
 * @param status HTTP's, where it tells something
 */
export function unreadable({ action, resource, unavailable }: AwsCall, status?: number): RefreshError {
  const service = SERVICES[action.slice(0, action.indexOf(':'))] ?? 'AWS';
  const of = resource === '*' ? '' : ` on ${resource}`;
  const as = status === undefined ? '' : ` (HTTP ${status})`;
  return new RefreshError(unavailable, `The answer to ${action}${of}${as} is not one that ${service} gives.`, {
    kind: 'wait',
    ifItDoes: `If it does, see what stands between the function and ${service}, such as a proxy.`,
  });
}

/** A refusal that no page lists for this operation. It is called retryable, since a quota or a state of the service is the likeliest reason. */
function unexpected(error: unknown, call: AwsCall): unknown {
  if (!(error instanceof Error)) return error;
  const status = httpStatus(error);
  if (status === undefined) return error;
  if (isSuccess(status)) return unreadable(call);
  if (isOfNoService(error)) return unreadable(call, status);
  return new RefreshError(
    call.unavailable,
    `${call.action} on ${call.resource} was refused (${publicName(error.name)}, HTTP ${status}).`,
    `Look at the event ${call.action.split(':')[1]} in CloudTrail: its errorMessage says what is wrong with ${call.resource}.`,
    error,
  );
}

/** `… is not authorized to perform: ACTION on resource: RESOURCE …`, the one text of AWS's that is parsed: it may name another action than ours, such as `kms:Decrypt`. Only what has the shape of an action and of an ARN is taken. */
function denial(error: unknown, call: AwsCall): { action: string; resource: string } {
  const message = error instanceof Error ? error.message : '';
  const match =
    /not authorized to perform:? ([a-z0-9-]{2,40}:[A-Z][A-Za-z]{2,60})(?: on (?:the )?resource:? (arn:aws[a-z-]*:[a-z0-9-]{2,40}:[a-z0-9-]{0,30}:\d{0,12}:[\w:/.*+=@!-]{1,600}))?/.exec(
      message,
    );
  if (match?.[1] === undefined) return call;
  return { action: match[1], resource: match[2] ?? (match[1] === call.action ? call.resource : '*') };
}
