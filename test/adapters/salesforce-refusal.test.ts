import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CURES_BY_DESCRIPTION, CURES_BY_ERROR } from '../../functions/adapters/salesforce-cures.ts';
import { readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
import { MOST_HINT } from '../../functions/core/wording.ts';
import { marker } from '../support/rules.ts';

const names = { connection: 'sf-prod', secret: 'appflow-token-refresher/sf-prod' };

function read(error?: string, description?: string, { status = 400, isAssertion = false } = {}) {
  return readRefusal({ error, description, status }, isAssertion, names);
}

const mixed = (text: string) => fc.mixedCase(fc.constant(text));

describe('a permanent refusal', () => {
  const DESCRIPTIONS = [
    ['expired access/refresh token', /Authorise the app again.*appflow-token-refresher\/sf-prod/],
    ["user hasn't approved this consumer", /Pre-authorise.*sf-prod/],
    ['audience is invalid', /audience in appflow-token-refresher\/sf-prod/],
    ['invalid assertion', /certificate/],
    ['ip restricted or invalid login hours', /login hours/],
    ['request not supported on this domain', /My Domain/],
  ] as const;

  it.each(DESCRIPTIONS)(
    'is recognised by invalid_grant with "%s" in any letter case and gives advice',
    (description, advice) => {
      fc.assert(
        fc.property(mixed(description), fc.boolean(), (text, isAssertion) => {
          const refusal = read('invalid_grant', text, { isAssertion });
          expect(refusal).toEqual({
            kind: 'terminal',
            message: `invalid_grant: ${description}`,
            advice: expect.stringMatching(advice),
            wantsAuthorization: description === 'expired access/refresh token',
          });
        }),
      );
    },
  );

  it('is recognised by its words despite a curly apostrophe or surrounding text', () => {
    expect(read('invalid_grant', 'user hasn\u2019t approved this consumer')).toMatchObject({
      message: "invalid_grant: user hasn't approved this consumer",
    });
    expect(read('invalid_grant', 'authentication failure - Invalid Assertion.')).toMatchObject({
      message: 'invalid_grant: invalid assertion',
    });
  });

  it.each([
    'invalid_grant',
    'invalid_client',
    'invalid_client_id',
    'inactive_user',
    'inactive_org',
    'unsupported_grant_type',
    'app_not_found',
  ])('is recognised by %s without a known description', (error) => {
    for (const description of [undefined, 'something new']) {
      for (const isAssertion of [false, true]) {
        expect(read(error, description, { isAssertion })).toEqual({
          kind: 'terminal',
          message: error,
          advice: expect.stringMatching(/^[A-Z].*\.$/),
          wantsAuthorization: false,
        });
      }
    }
  });

  it('includes an expired authorization code when a code was sent', () => {
    expect(read('invalid_grant', 'expired authorization code')).toMatchObject({
      kind: 'terminal',
      advice: expect.stringContaining('Authorise the app again'),
    });
  });

  it('includes one that is in no list, shown by its error where that reads as a code', () => {
    const message = (error: string | undefined, status = 400) => read(error, 'some words', { status }).message;
    for (const error of ['policy_engine_denied', 'OAUTH_SOMETHING_NEW', 'access-refused', 'nope'])
      expect(read(error, 'some words')).toEqual({
        kind: 'terminal',
        message: `${error}: this refusal is not in our list, so it is taken for final.`,
        advice: expect.stringMatching(/not in our list.*login history.*appflow-token-refresher\/sf-prod/),
        wantsAuthorization: false,
      });
    for (const error of [
      undefined,
      '',
      'Two Words',
      'mixedCase_code',
      'code_with_123',
      '00D8d0000LocalAQ',
      'xk'.repeat(20),
      `${'ab_'.repeat(30)}c`,
      '__proto__',
      'a=b',
      '<script>',
      'oauth\u202eerror',
    ])
      expect(message(error, 404)).toBe('HTTP 404: this refusal is not in our list, so it is taken for final.');
    for (const error of ['toString', 'constructor', '__proto__']) expect(message(error)).toContain('not in our list');
  });
});

describe('every row of the list', () => {
  const advised = [
    ...CURES_BY_DESCRIPTION.map((cure) => [cure.text, cure, read('something_new', cure.text)] as const),
    ...Object.entries(CURES_BY_ERROR).map(([error, cure]) => [error, cure, read(error)] as const),
  ];
  const IMPERATIVE =
    /^(?:Activate|Allow|Ask|Authorise|Check|Compare|Correct|Enable|Give|Let|Log in|Look|Nothing to do|Package|Pre-authorise|Relax|Revoke|Set|Use|Wait)\b/;

  it.each(advised)(
    'says what to do, about which connection, and no more than fits: %s',
    (_, cure, { advice, kind }) => {
      expect(advice).toMatch(IMPERATIVE);
      expect(advice).toMatch(/\.$/);
      expect(advice).toContain('sf-prod');
      expect(advice).not.toMatch(/[{}]/);
      expect(advice.length).toBeLessThanOrEqual(MOST_HINT - 100);
      expect(kind).toBe(cure.kind ?? 'terminal');
    },
  );

  it('is reached: no earlier row has its words, and no error is spelt as no answer is', () => {
    for (const { text } of CURES_BY_DESCRIPTION) {
      expect(CURES_BY_DESCRIPTION.find((row) => text.includes(row.text))?.text).toBe(text);
      expect(text).toBe(text.toLowerCase().replaceAll(',', ''));
    }
    for (const error of Object.keys(CURES_BY_ERROR)) expect(error).toMatch(/^[a-z]+(_[a-z]+)*$/);
  });

  it('has what Salesforce publishes', () => {
    const published =
      'access_denied app_blocked app_not_found authorization_pending bad_jti_claim app_attest_failed app_attest_failed_retry ecapp_policy_not_found ' +
      'exceeded_registration_limit fail_close_app_blocked failed_registration immediate_unsuccessful installation_error invalid_app_access ' +
      'invalid_assertion_type invalid_basic_auth_header invalid_dpop_proof invalid_client invalid_client_id invalid_distribution_state invalid_expid ' +
      'invalid_grant invalid_otp invalid_request invalid_scope invalid_session_level invalid_token login_error oauth_flow_disabled ' +
      'oauth_policy_not_found otp_error redirect_uri_missing redirect_uri_mismatch registration_error server_error service_unavailable slow_down ' +
      'system_down unknown_error unsupported_expid unsupported_grant_type unsupported_response_type unsupported_token_type use_dpop_nonce ' +
      'inactive_user inactive_org invalid_client_credentials rate_limit_exceeded unauthorized_client temporarily_unavailable org_unavailable ' +
      'OAUTH_EC_APP_NOT_FOUND OAUTH_APP_BLOCKED OAUTH_APP_ACCESS_DENIED OAUTH_APPROVAL_ERROR_GENERIC OAUTH_AUTHORIZATION_BLOCKED access-denied';
    for (const error of published.split(' ')) expect(read(error).message).toBe(error);
  });
});

describe('words that ask to try again', () => {
  it.each([
    'retry your request',
    'Please retry your request.',
    'Please try again',
    'Please try your request again',
    'Retry',
    'Try again later',
    'Unable to process your login request at this time. Please try again later.',
    'We can\u2019t authorize you right now, please try again in a few minutes',
    'Unable to authenticate. Try again in 30 seconds.',
    'retry after 60 seconds',
    'Retry-After: 5',
    'Contact your administrator or try again later',
    'The service is temporarily unavailable',
    'Service Unavailable',
    'Server is too busy',
    'Salesforce is down for maintenance',
    'Salesforce is undergoing maintenance',
    'Your request has been throttled',
    'Too many requests',
    'Too many concurrent requests',
    'rate limit exceeded',
    'TotalRequests Limit exceeded: request limit exceeded',
    'Number of logins exceeded',
    'UNABLE_TO_LOCK_ROW',
    'unable to obtain exclusive access to this record',
    'REQUEST_LIMIT_EXCEEDED: TotalRequests Limit exceeded.',
    'SERVER_UNAVAILABLE',
    'Internal server error',
    'The request timed out',
    'External client app is being provisioned, try again later',
  ])('are believed beside an error that names no cause: %s', (words) => {
    for (const error of ['invalid_grant', 'invalid_request', 'something_new', undefined])
      for (const isAssertion of [true, false])
        expect(read(error, words, { isAssertion })).toMatchObject({ kind: 'later', wantsAuthorization: false });
  });

  it.each([
    'Authorise again',
    'Authorize the app again',
    'Please log in again',
    'Log in again and retry',
    'Please sign in and try again later',
    'Re-authenticate, then try again',
    'Reauthorize and retry your request',
    'try again with a valid refresh token',
    'Please try again using a new code',
    'retry with correct credentials',
    'Try again after authorizing the app',
    'try again once you have installed the app',
    'Do not retry',
    'do not try again',
    'This request cannot be retried',
    'Check your password and try again',
    'Incorrect code. Please try again.',
    'The token is invalid; please try again',
    'The token has expired, retry',
    'Contact your administrator and try again',
    'expired access/refresh token, please try again later',
    'user is inactive; try again later',
    'pantry against country',
    '',
  ])('are not, where a person must act first: "%s"', (words) => {
    for (const error of ['invalid_grant', 'invalid_request', 'something_new'])
      for (const isAssertion of [true, false]) expect(read(error, words, { isAssertion }).kind).toBe('terminal');
  });

  it.each([
    'invalid_client_id',
    'inactive_user',
    'OAUTH_APPROVAL_ERROR_GENERIC',
    'access_denied',
    'redirect_uri_mismatch',
  ])('are politeness beside %s, which names its cause, unless they say when', (error) => {
    const words = 'An unexpected error has occurred during authentication. Please try again.';
    expect(read(error, words).kind).toBe('terminal');
    expect(read(error, 'Please try again later.').kind).toBe('later');
  });

  // Work that grows with the square of its length would take this test beyond its time.
  it('are found and never repeated, whatever stands around them and however long it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 300 }), marker, (text, secret) => {
        const { message, advice } = read('something_new', `${text} ${secret} try again later ${text.repeat(200)}`);
        expect(message + advice).not.toContain(secret);
      }),
    );
    for (const piece of ['try ', 'retry your ', 'log in the ', 'service ', 'not be ', 'a b c ', '. and '])
      expect(read('something_new', piece.repeat(20_000)).message.length).toBeLessThan(1_000);
  });
});

describe('a JWT that has expired on arrival', () => {
  it('is reported as an expired assertion in any letter case', () => {
    fc.assert(
      fc.property(mixed('expired authorization code'), (description) => {
        expect(read('invalid_grant', description, { isAssertion: true })).toEqual({
          kind: 'assertion-expired',
          message: 'invalid_grant: expired authorization code',
          advice: expect.stringContaining('clock'),
          wantsAuthorization: false,
        });
      }),
    );
  });
});

describe('a token that another request is using', () => {
  it('is reported as being processed', () => {
    fc.assert(
      fc.property(mixed('token request is already being processed'), fc.boolean(), (description, isAssertion) => {
        expect(read('invalid_grant', description, { isAssertion })).toMatchObject({
          kind: 'being-processed',
          message: 'invalid_grant: token request is already being processed',
        });
      }),
    );
  });
});

describe('a temporary refusal', () => {
  it('includes a rate limit named by the error or by its description', () => {
    expect(read('rate_limit_exceeded')).toMatchObject({ kind: 'later', message: 'rate_limit_exceeded' });
    fc.assert(
      fc.property(
        mixed('login rate exceeded'),
        fc.constantFrom('invalid_grant', 'rate_limit_exceeded', 'something_new'),
        (description, error) => {
          expect(read(error, description)).toMatchObject({
            kind: 'later',
            message: expect.stringContaining('login rate exceeded'),
          });
        },
      ),
    );
  });

  it('includes HTTP 429 and every status from 500, whatever the body says', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.constant(429), fc.integer({ min: 500, max: 599 })),
        fc.constantFrom(undefined, 'invalid_grant', 'invalid_client'),
        fc.constantFrom(undefined, 'invalid assertion'),
        (status, error, description) => {
          expect(read(error, description, { status })).toMatchObject({
            kind: 'later',
            message: `Salesforce answered HTTP ${status}.`,
          });
        },
      ),
    );
  });

  it.each([400, 401, 403, 404, 428, 430, 499])('excludes HTTP %i', (status) => {
    expect(read('invalid_client', undefined, { status }).kind).toBe('terminal');
  });
});

describe('text that Salesforce does not publish', () => {
  const known = fc.constantFrom(
    '',
    ' expired access/refresh token ',
    ' invalid assertion: ',
    ' login rate exceeded ',
    ' expired authorization code ',
  );

  it('is never repeated, even around known words', () => {
    fc.assert(
      fc.property(
        marker,
        known,
        fc.constantFrom(undefined, 'invalid_grant', 'invalid_client', 'rate_limit_exceeded'),
        fc.constantFrom(400, 401, 500),
        fc.boolean(),
        (text, words, error, status, isAssertion) => {
          const { message, advice } = read(error ?? text, `${text}${words}${text}`, { status, isAssertion });
          expect(`${message}${advice}`.toLowerCase()).not.toContain(text.toLowerCase());
          if (status < 500 && words !== '') expect(message).toContain(words.trim().replace(':', ''));
        },
      ),
    );
  });
});

describe('the advice on a refusal', () => {
  it('names the connection and its secret and fills every placeholder', () => {
    const errors = [
      'invalid_grant',
      'invalid_client',
      'invalid_client_id',
      'invalid_request',
      'invalid_app_access',
      'app_not_found',
      'unheard_of',
    ];
    const descriptions = [
      undefined,
      'expired access/refresh token',
      "user hasn't approved this consumer",
      'audience is invalid',
      'invalid client credentials',
      'client identifier invalid',
    ];
    for (const error of errors) {
      for (const description of descriptions) {
        const { advice } = read(error, description);
        expect(advice).not.toMatch(/[{}]/);
      }
    }
    expect(read('invalid_client').advice).toContain('for sf-prod');
    expect(read('invalid_client_id').advice).toContain('in appflow-token-refresher/sf-prod');
    expect(read('unheard_of').advice).toContain('appflow-token-refresher/sf-prod');
  });
});
