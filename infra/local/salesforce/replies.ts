import { createHmac } from 'node:crypto';

/** An answer before it is written out. An object goes out as JSON, a string as it is. */
export interface Reply {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Record<string, string>;
}

/** Salesforce's refusals in its own words: `error`, then `error_description`. All are HTTP 400 unless said otherwise. */
const refusals = {
  ALREADY_PROCESSING: ['invalid_grant', 'token request is already being processed'],
  AUDIENCE: ['invalid_grant', 'audience is invalid'],
  CLIENT_CREDENTIALS: ['invalid_client', 'invalid client credentials'],
  CLIENT_ID: ['invalid_client_id', 'client identifier invalid'],
  CODE_EXPIRED: ['invalid_grant', 'expired authorization code'],
  CODE_INVALID: ['invalid_grant', 'invalid authorization code'],
  CODE_VERIFIER: ['invalid_grant', 'invalid code verifier'],
  DUPLICATE: ['invalid_request', 'a parameter was sent more than once'],
  GRANT_TYPE: ['unsupported_grant_type', 'grant type not supported'],
  INACTIVE_ORG: ['inactive_org', 'organization is inactive'],
  INACTIVE_USER: ['inactive_user', 'user is inactive'],
  INVALID_ASSERTION: ['invalid_grant', 'invalid assertion'],
  METHOD: ['invalid_request', 'must use HTTP POST'],
  MISSING: ['invalid_request', 'missing required parameter'],
  NOT_APPROVED: ['invalid_grant', "user hasn't approved this consumer"],
  NOT_ON_THIS_DOMAIN: ['invalid_grant', 'request not supported on this domain'],
  NO_RUN_AS_USER: ['invalid_grant', 'no client credentials user enabled'],
  REDIRECT_URI: ['redirect_uri_mismatch', 'redirect_uri must match configuration'],
  TOKEN_EXPIRED: ['invalid_grant', 'expired access/refresh token'],
  TOKEN_UNKNOWN: ['invalid_token', 'the token is not valid'],
  TOO_LARGE: ['invalid_request', 'request is too large'],
  TWO_SECRETS: ['invalid_request', 'client authentication was sent twice'],
} as const;

type Refusal = keyof typeof refusals;

/** Thrown where a request is refused, caught where answers are written. */
export class Refused extends Error {
  readonly refusal: Refusal;
  readonly status: number;

  constructor(refusal: Refusal, status = 400) {
    super(refusals[refusal][1]);
    this.refusal = refusal;
    this.status = status;
  }

  reply(): Reply {
    const [error, error_description] = refusals[this.refusal];
    return { status: this.status, body: { error, error_description } };
  }
}

const ORGANIZATION = '00D8d00000LocalEAA';

/** An org's ids as Salesforce spells them: 18 characters, of which the last 3 are a checksum that nobody reads. */
export const organizationId = ORGANIZATION;

export function userId(username: string): string {
  const digest = createHmac('sha256', 'user').update(username).digest('hex');
  return `0058d0${digest.slice(0, 9)}AAA`;
}

// oidc-provider's random ids go out in Salesforce's dress: `!` in access tokens, dots instead of hyphens, `=` after codes.
const ACCESS_PREFIX = `${ORGANIZATION.slice(0, 15)}!`;
const REFRESH_PREFIX = '5Aep861';
const CODE_PREFIX = 'aPrx';
const CODE_SUFFIX = '==';

const dotted = (id: string) => id.replaceAll('-', '.');
const hyphenated = (id: string) => id.replaceAll('.', '-');

export const accessTokens = {
  outward: (id: string) => ACCESS_PREFIX + dotted(id),
  inward: (token: string) => (token.startsWith(ACCESS_PREFIX) ? hyphenated(token.slice(ACCESS_PREFIX.length)) : ''),
};

export const refreshTokens = {
  outward: (id: string) => REFRESH_PREFIX + dotted(id),
  inward: (token: string) => (token.startsWith(REFRESH_PREFIX) ? hyphenated(token.slice(REFRESH_PREFIX.length)) : ''),
};

export const authorizationCodes = {
  outward: (id: string) => CODE_PREFIX + dotted(id) + CODE_SUFFIX,
  inward: (code: string) =>
    code.startsWith(CODE_PREFIX) && code.endsWith(CODE_SUFFIX)
      ? hyphenated(code.slice(CODE_PREFIX.length, -CODE_SUFFIX.length))
      : '',
};

/**
 * A token answer in Salesforce's shape: no `expires_in`, `issued_at` in milliseconds as a string, and the signature that
 * the holder of the consumer secret can check.
 */
export function tokenReply(token: {
  url: string;
  username: string;
  scope: string;
  accessToken: string;
  refreshToken: string | undefined;
  signingSecret: string;
  now: number;
}): Reply {
  const id = `${token.url}/id/${organizationId}/${userId(token.username)}`;
  const issuedAt = String(token.now);
  return {
    status: 200,
    body: {
      access_token: token.accessToken,
      ...(token.refreshToken === undefined ? {} : { refresh_token: token.refreshToken }),
      signature: createHmac('sha256', token.signingSecret)
        .update(id + issuedAt)
        .digest('base64'),
      scope: token.scope,
      instance_url: token.url,
      id,
      token_type: 'Bearer',
      issued_at: issuedAt,
    },
  };
}

/** The page of a browser that has not said who it is: one link for each person who may authorise the app. */
export function loginPage(query: URLSearchParams, usernames: readonly string[]): Reply {
  const links = usernames.map((username) => {
    const choice = new URLSearchParams(query);
    choice.set('login_hint', username);
    return `<li><a href="?${escapeHtml(choice.toString())}">Allow access as ${escapeHtml(username)}</a></li>`;
  });
  return page(200, 'Local Salesforce: log in', `<ul>${links.join('')}</ul>`);
}

export function page(status: number, title: string, content: string): Reply {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=UTF-8' },
    body: `<!DOCTYPE html><html><head><title>${escapeHtml(title)}</title></head><body><h1>${escapeHtml(title)}</h1>${content}</body></html>`,
  };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
