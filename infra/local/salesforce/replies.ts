/** What Salesforce answers with: its refusals in its own words, its ids and tokens in its own spelling, its pages. */
import { createHmac } from 'node:crypto';

/** An answer before it is written out. An object goes out as JSON, a string as it is. */
export interface Reply {
  readonly status: number;
  readonly body: object | string;
  readonly headers?: Record<string, string>;
}

/** `error`, then `error_description`. */
const refusals = {
  ALREADY_PROCESSING: ['invalid_grant', 'token request is already being processed'],
  APP_NOT_FOUND: ['app_not_found', 'External client app is not installed in this org'],
  AUDIENCE: ['invalid_grant', 'audience is invalid'],
  AUDIENCE_EXTERNAL: ['invalid_grant', 'Audience validation failed'],
  CLIENT_CREDENTIALS: ['invalid_client', 'invalid client credentials'],
  CLIENT_ID: ['invalid_client_id', 'client identifier invalid'],
  CODE_EXPIRED: ['invalid_grant', 'expired authorization code'],
  CODE_INVALID: ['invalid_grant', 'invalid authorization code'],
  CODE_VERIFIER: ['invalid_grant', 'invalid code verifier'],
  DOMAIN: ['invalid_grant', 'request not supported on this domain'],
  DUPLICATE: ['invalid_request', 'a parameter was sent more than once'],
  GRANT_TYPE: ['unsupported_grant_type', 'grant type not supported'],
  INACTIVE_USER: ['inactive_user', 'user is inactive'],
  INVALID_ASSERTION: ['invalid_grant', 'invalid assertion'],
  METHOD: ['invalid_request', 'must use HTTP POST'],
  MISSING: ['invalid_request', 'missing required parameter'],
  NOT_APPROVED: ['invalid_grant', "user hasn't approved this consumer"],
  NO_RUN_AS_USER: ['invalid_grant', 'no client credentials user enabled'],
  REDIRECT_URI: ['redirect_uri_mismatch', 'redirect_uri must match configuration'],
  TOKEN_EXPIRED: ['invalid_grant', 'expired access/refresh token'],
  TOKEN_UNKNOWN: ['invalid_token', 'the token is not valid'],
} as const;

/** Thrown where a request is refused, caught where answers are written. */
export class Refused extends Error {
  readonly reply: Reply;

  constructor(refusal: keyof typeof refusals) {
    const [error, error_description] = refusals[refusal];
    super(error_description);
    this.reply = { status: 400, body: { error, error_description } };
  }
}

/** An org's ids as Salesforce spells them: 18 characters, of which the last 3 are a checksum that nobody reads. */
export const organizationId = '00D8d00000LocalEAA';

export function userId(username: string): string {
  const digest = createHmac('sha256', 'user').update(username.toLowerCase()).digest('hex');
  return `0058d0${digest.slice(0, 9)}AAA`;
}

/** oidc-provider's random ids go out in Salesforce's dress: `!` in access tokens, dots instead of hyphens, `=` after codes. */
function dressed(prefix: string, suffix = '') {
  return {
    outward: (id: string) => prefix + id.replaceAll('-', '.') + suffix,
    /** Empty for what was never sent out. */
    inward: (sent: string) =>
      sent.startsWith(prefix) && sent.endsWith(suffix)
        ? sent.slice(prefix.length, sent.length - suffix.length).replaceAll('.', '-')
        : '',
  };
}

export const accessTokens = dressed(`${organizationId.slice(0, 15)}!`);
export const refreshTokens = dressed('5Aep861');
export const authorizationCodes = dressed('aPrx', '==');

/** The page of a browser that has not said who it is: one link for each person who may authorise the app. */
export function loginPage(query: URLSearchParams, usernames: readonly string[]): Reply {
  const links = usernames.map((username) => {
    const choice = new URLSearchParams(query);
    choice.set('login_hint', username);
    return `<li><a href="?${escapeHtml(choice.toString())}">Allow access as ${escapeHtml(username)}</a></li>`;
  });
  return page(200, 'Local Salesforce: log in', `<ul>${links.join('')}</ul>`);
}

export function page(status: number, title: string, content = ''): Reply {
  return {
    status,
    headers: { 'content-type': 'text/html; charset=UTF-8' },
    body: `<!DOCTYPE html><html><head><title>${escapeHtml(title)}</title></head><body><h1>${escapeHtml(title)}</h1>${content}</body></html>`,
  };
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
