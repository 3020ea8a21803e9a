import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AwsCall, awsErrorKind, callAws, translateAwsError } from '../../functions/adapters/aws-call.ts';
import { RefreshError, Unanswered } from '../../functions/core/errors.ts';
import { everythingSaidBy, fakeRun, marker } from '../support/rules.ts';

function awsError(name: string, status?: number, message = 'no'): Error {
  const error = Object.assign(new Error(message), {
    $metadata: status === undefined ? { attempts: 1 } : { httpStatusCode: status },
  });
  error.name = name;
  return error;
}

function socketError(code: string): Error {
  return Object.assign(new Error(`connect ${code}`), { code });
}

describe('classifying an error of AWS', () => {
  it.each([
    ['ThrottlingException', 400],
    ['ThrottlingException', 429],
    ['TooManyRequestsException', 429],
    ['Throttling', 400],
    ['RequestLimitExceeded', 400],
    ['RequestThrottled', 403],
    ['RequestTimeoutException', 408],
    ['RequestAbortedException', 400],
    ['SlowDown', 503],
    ['ConflictException', 409],
    ['InternalServerException', 500],
    ['InternalServiceError', 500],
    ['ServiceUnavailable', 503],
    ['NeverHeardOf', 502],
    ['NeverHeardOf', 429],
  ])('treats %s (HTTP %i) as transient', (name, status) => {
    expect(awsErrorKind(awsError(name, status))).toBe('transient');
  });

  it.each([
    ['AccessDeniedException', 400],
    ['AccessDenied', 403],
    ['UnrecognizedClientException', 400],
    ['ExpiredTokenException', 400],
    ['ExpiredToken', 400],
    ['NotAuthorized', 400],
    ['OptInRequired', 403],
    ['SignatureDoesNotMatch', 403],
    ['UnauthorizedOperation', 403],
    ['InvalidSignatureException', 403],
    ['CredentialsProviderError', undefined],
  ])('treats %s (HTTP %s) as a denial', (name, status) => {
    expect(awsErrorKind(awsError(name, status))).toBe('denied');
  });

  it.each([
    ['ValidationException', 400],
    ['ResourceNotFoundException', 404],
    ['ConnectorAuthenticationException', 401],
    ['ResourceExistsException', 400],
    ['NeverHeardOf', 499],
  ])('treats %s (HTTP %i) as neither transient nor a denial', (name, status) => {
    expect(awsErrorKind(awsError(name, status))).toBe('other');
  });
});

describe('classifying an error of the network', () => {
  it.each([
    'ECONNRESET',
    'ECONNREFUSED',
    'ETIMEDOUT',
    'EPIPE',
    'ENOTFOUND',
    'EHOSTUNREACH',
    'UND_ERR_SOCKET',
    'UND_ERR_CONNECT_TIMEOUT',
  ])('treats %s as transient', (code) => {
    expect(awsErrorKind(socketError(code))).toBe('transient');
    expect(awsErrorKind(new TypeError('fetch failed', { cause: socketError(code) }))).toBe('transient');
    expect(awsErrorKind(Object.assign(socketError(code), { $metadata: { attempts: 1 } }))).toBe('transient');
  });

  // A resolver that is busy: what `getaddrinfo` says most often inside Lambda.
  it('treats EAI_AGAIN as transient', () => {
    expect(awsErrorKind(socketError('EAI_AGAIN'))).toBe('transient');
  });

  it.each(['TimeoutError', 'AbortError'])('treats %s as transient', (name) => {
    expect(awsErrorKind(Object.assign(new Error('no'), { name }))).toBe('transient');
  });

  it.each([
    new TypeError('x is undefined'),
    Object.assign(new Error('no'), { code: 'ERR_INVALID_URL' }),
    Object.assign(new Error('no'), { code: 7 }),
    'text',
    undefined,
    null,
    { name: 'ThrottlingException' },
  ])('treats %o as a bug, not as a failure of the network', (error) => {
    expect(awsErrorKind(error)).toBe('other');
  });
});

const call: AwsCall = {
  action: 'appflow:UpdateConnectorProfile',
  resource: 'sf-prod',
  unavailable: 'APPFLOW_UNAVAILABLE',
  meanings: {
    ValidationException: (cause) => new RefreshError('PROFILE_REJECTED', 'AppFlow refused.', 'Look.', cause),
  },
};

function translated(error: unknown, run = fakeRun()): RefreshError {
  const result = translateAwsError(error, call, run);
  if (!(result instanceof RefreshError)) throw new Error('That is no RefreshError.');
  return result;
}

describe('translating an error of AWS', () => {
  it('prefers the meaning that the operation gives to its own errors', () => {
    const cause = awsError('ValidationException', 400);
    expect(translated(cause)).toMatchObject({ code: 'PROFILE_REJECTED', cause });
    for (const name of ['toString', 'constructor', '__proto__'])
      expect(translated(awsError(name, 400)).code).toBe('APPFLOW_UNAVAILABLE');
  });

  it('passes errors of the product and bugs through unchanged', () => {
    const ours = new RefreshError('KEY_UNUSABLE', 'a', 'b', socketError('ECONNRESET'));
    expect(translateAwsError(ours, call, fakeRun())).toBe(ours);
    for (const bug of [new TypeError('x is undefined'), 'text', undefined])
      expect(translateAwsError(bug, call, fakeRun())).toBe(bug);
  });

  it('turns a transient error into the retryable code of its service and keeps name and cause', () => {
    const cause = awsError('ThrottlingException', 400);
    expect(translated(cause)).toMatchObject({
      code: 'APPFLOW_UNAVAILABLE',
      retryable: true,
      message: 'appflow:UpdateConnectorProfile on sf-prod failed for now (ThrottlingException).',
      cause,
    });
  });

  it('reports OUT_OF_TIME when the deadline aborted the call, but keeps the code of a refusal', () => {
    const run = fakeRun({ signal: AbortSignal.abort() });
    expect(translated(Object.assign(new Error('aborted'), { name: 'AbortError' }), run)).toMatchObject({
      code: 'OUT_OF_TIME',
      retryable: true,
      message: expect.stringContaining('appflow:UpdateConnectorProfile on sf-prod'),
    });
    expect(translated(awsError('AccessDeniedException', 403), run).code).toBe('ACCESS_DENIED');
    expect(translated(awsError('ValidationException', 400), run).code).toBe('PROFILE_REJECTED');
  });

  it('points to CloudTrail for an undocumented refusal', () => {
    expect(translated(awsError('ServiceQuotaExceededException', 402))).toMatchObject({
      code: 'APPFLOW_UNAVAILABLE',
      message: 'appflow:UpdateConnectorProfile on sf-prod was refused (ServiceQuotaExceededException, HTTP 402).',
      hint: expect.stringMatching(/UpdateConnectorProfile in CloudTrail/),
    });
  });

  it.each([
    [
      'User: arn:aws:sts::123456789012:assumed-role/R/x is not authorized to perform: kms:Decrypt on resource: arn:aws:kms:eu-west-1:123456789012:key/1234-ab because no identity-based policy allows the kms:Decrypt action',
      'kms:Decrypt on arn:aws:kms:eu-west-1:123456789012:key/1234-ab is denied.',
    ],
    [
      'User: x is not authorized to perform: secretsmanager:GetSecretValue on the resource: arn:aws:secretsmanager:eu-west-1:1:secret:a/b-AbCdEf with an explicit deny',
      'secretsmanager:GetSecretValue on arn:aws:secretsmanager:eu-west-1:1:secret:a/b-AbCdEf is denied.',
    ],
    ['User: x is not authorized to perform: appflow:DescribeConnectors', 'appflow:DescribeConnectors on * is denied.'],
    ['Access to KMS is not allowed', 'appflow:UpdateConnectorProfile on sf-prod is denied.'],
    ['', 'appflow:UpdateConnectorProfile on sf-prod is denied.'],
  ])('names the action and the resource of a denial: %s', (message, said) => {
    const error = translated(awsError('AccessDeniedException', 400, message));
    expect(error).toMatchObject({ code: 'ACCESS_DENIED', retryable: false, message: said });
    expect(error.hint).toContain(said.replace(' is denied.', ''));
  });

  it('never repeats the message of AWS, which may quote the offending value', () => {
    const names = fc.constantFrom(
      'ValidationException',
      'AccessDeniedException',
      'ThrottlingException',
      'NeverHeardOf',
    );
    const texts = marker.chain((text) =>
      fc.tuple(
        fc.constant(text),
        fc.constantFrom(
          `Value '${text}' at 'jwtToken' failed to satisfy constraint`,
          `${text} is not authorized to perform: kms:Sign on resource: ${text}`,
          `not authorized to perform: ${text}`,
        ),
      ),
    );
    fc.assert(
      fc.property(names, fc.constantFrom(400, 429, 500), texts, (name, status, [text, message]) => {
        const { message: said, hint, code, stack } = translated(awsError(name, status, message));
        expect(`${said}${hint}${code}${stack}${JSON.stringify({ said, hint, code })}`).not.toContain(text);
        expect(everythingSaidBy(new RefreshError(code, said, hint))).not.toContain(text);
      }),
    );
  });
});

describe('a call of AWS that fails', () => {
  const change: AwsCall = {
    action: 'appflow:UpdateConnectorProfile',
    resource: 'x',
    unavailable: 'APPFLOW_UNAVAILABLE',
  };
  const thrown = (call: AwsCall, ...errors: Error[]) => {
    const rest = [...errors];
    return callAws(call, fakeRun(), () => Promise.reject(rest.shift() ?? errors.at(-1)), errors.length).then(
      () => undefined,
      (error: unknown) => error,
    );
  };
  const named = (name: string) => Object.assign(new Error('no'), { name });

  it.each([
    ['a time-out', named('TimeoutError')],
    ['an abort', named('AbortError')],
    ['a reset connection', socketError('ECONNRESET')],
    ['the answer of a gateway (502)', awsError('BadGateway', 502)],
    ['the answer of a gateway (504)', awsError('GatewayTimeout', 504)],
  ])('counts as unanswered after %s', async (_, error) => {
    expect(await thrown(change, error)).toBeInstanceOf(Unanswered);
  });

  it.each([
    ['a refused connection', socketError('ECONNREFUSED')],
    ['a name that does not resolve', socketError('ENOTFOUND')],
    ['HTTP 500', awsError('InternalServerException', 500)],
    ['HTTP 503', awsError('ServiceUnavailable', 503)],
    ['throttling', awsError('ThrottlingException', 429)],
    ['a conflict', awsError('ConflictException', 409)],
    ['missing credentials', named('CredentialsProviderError')],
  ])('counts as answered after %s', async (_, error) => {
    const failure = await thrown(change, error);
    expect(failure).toBeInstanceOf(RefreshError);
    expect(failure).not.toBeInstanceOf(Unanswered);
  });

  it('counts as unanswered when only its first attempt was, whatever the second one is told', async () => {
    const failure = await thrown(change, socketError('ECONNRESET'), awsError('AccessDeniedException', 403));
    expect(failure).toBeInstanceOf(Unanswered);
    expect(failure).toMatchObject({ code: 'ACCESS_DENIED' });
  });

  it.each([
    'secretsmanager:GetSecretValue',
    'secretsmanager:ListSecrets',
    'secretsmanager:BatchGetSecretValue',
    'appflow:DescribeConnectorProfiles',
  ])('never counts as unanswered when it only reads: %s', async (action) => {
    expect(await thrown({ ...change, action }, named('TimeoutError'))).not.toBeInstanceOf(Unanswered);
  });
});
