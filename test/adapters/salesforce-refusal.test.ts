import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readRefusal } from '../../functions/adapters/salesforce-refusal.ts';
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

  it('includes an unpublished error', () => {
    expect(read('OAUTH_APP_ACCESS_DENIED')).toMatchObject({
      kind: 'terminal',
      message: 'HTTP 400 with an error that Salesforce does not publish.',
    });
    expect(read(undefined, undefined, { status: 404 })).toMatchObject({
      kind: 'terminal',
      message: 'HTTP 404 with an error that Salesforce does not publish.',
    });
    for (const error of ['toString', '__proto__', 'constructor'])
      expect(read(error)).toMatchObject({ message: expect.stringContaining('does not publish') });
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
