import { describe, expect, it } from 'vitest';
import { type Change, salesforceBetween, withMembers } from '../support/salesforce-between.ts';
import { CODE_APP, CODE_SECRET, USER } from '../support/world.ts';
import { browse, Estate, PATIENCE, redirect } from './estate.ts';

const OAUTH = '/services/oauth2';

/** A log-in at a login host that changes answers. */
async function logIn(change: Change, { user = USER, logsIn = USER }: { user?: string; logsIn?: string } = {}) {
  await using estate = await Estate.open();
  const { salesforce } = estate.world;
  using between = await salesforceBetween(salesforce.url, change);
  const seed = await estate.code('sf-eu', { loginUrl: between.url });
  salesforce.registerApp({ clientId: CODE_APP, clientSecret: CODE_SECRET, users: [logsIn] });
  salesforce.logIn(logsIn);
  const result = await estate.run(['authorize', 'sf-eu', '--user', user, ...redirect()], {
    while: async (said) => void (await browse(said)),
  });
  const stored = estate.read('sf-eu')['refreshToken'];
  return { ...result, isStored: stored !== seed, revoked: estate.revoked, asked: between.asked };
}

/** The browser comes back with that error. */
const callback =
  (error: string, description = ''): Change =>
  (path, answer, parameters) => {
    if (path !== `${OAUTH}/authorize`) return undefined;
    const location = new URL(parameters.get('redirect_uri') ?? '');
    const state = parameters.get('state') ?? '';
    location.search = new URLSearchParams({ error, error_description: description, state }).toString();
    return { ...answer, status: 302, headers: { location: location.href } };
  };

const whole = (text: string) => text.replace(/\s+/g, ' ');

describe('the callback of a log-in', { timeout: PATIENCE }, () => {
  it.each([
    [
      'OAUTH_EC_APP_NOT_FOUND',
      'External client app is not installed in this org',
      /Set loginUrl in .* to the org's My Domain/,
    ],
    [
      'OAUTH_APP_BLOCKED',
      'this app is blocked by admin',
      /Ask an administrator of the org to unblock the app of sf-eu/,
    ],
    ['OAUTH_APP_ACCESS_DENIED', 'user denied access', /let the integration user of sf-eu use the app/],
    ['OAUTH_APPROVAL_ERROR_GENERIC', 'An unexpected error. Please try again.', /install the app of sf-eu/],
    [
      'OAUTH_AUTHORIZATION_BLOCKED',
      'Cross-org OAuth flows are not supported for this external client app',
      /My Domain/,
    ],
    ['access-denied', 'end-user denied authorization', /Log in as the integration user of sf-eu/],
    ['invalid_scope', 'the requested scope is not allowed', /the scopes api and refresh_token/],
    ['SOMETHING_ELSE', 'c0de w0rds', /not in our list and is taken for final/],
  ])('says %s, and what the administrator must do', async (error, description, hint) => {
    const { code, stderr, isStored } = await logIn(callback(error, description));
    expect(code).toBe(1);
    expect(whole(stderr)).toContain(`Salesforce did not authorise the app: ${error}`);
    expect(whole(stderr)).toMatch(hint);
    expect(stderr).not.toContain('c0de');
    expect(isStored).toBe(false);
  });

  it('shows nothing of an error that reads as none', async () => {
    const { code, stderr } = await logIn(callback('\u001b[2J<b>4n 3rr0r\u202e', 'c0de w0rds'));
    expect(code).toBe(1);
    expect(whole(stderr)).toContain(
      'did not authorise the app: an error without a code: this refusal is not in our list',
    );
    expect(stderr).not.toMatch(/3rr0r|c0de/);
  });
});

describe('a log-in', { timeout: PATIENCE }, () => {
  it.each([
    ['AppFlow@Acme.Example', 'appflow@acme.example'],
    ['appflow@acme.example', 'APPFLOW@ACME.EXAMPLE'],
  ])('of %s is accepted as %s: user names are compared without case', async (user, logsIn) => {
    expect(await logIn(() => undefined, { user, logsIn })).toMatchObject({ code: 0, isStored: true, revoked: [] });
  });

  it.each([
    ['without an access token', { access_token: undefined }, 2],
    ['whose members are null', { instance_url: null, token_type: null, id: null, scope: null, issued_at: null }, 1],
    ['whose members are empty', { instance_url: '', token_type: '', id: '', scope: '', issued_at: '' }, 1],
    ['whose members are of strange types', { instance_url: [], token_type: 5, id: {}, scope: true }, 1],
  ])('is not lost for a reply %s', async (_, members, exchanges) => {
    let isFirst = true;
    const { code, isStored, asked } = await logIn((path, answer) => {
      if (path !== `${OAUTH}/token` || !isFirst) return undefined;
      isFirst = false;
      return withMembers(answer, members);
    });
    expect({ code, isStored }).toEqual({ code: 0, isStored: true });
    expect(asked.filter((path) => path === `${OAUTH}/token`)).toHaveLength(exchanges);
  });

  it.each([
    [503, 'down'],
    [403, '[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]'],
  ])('is not lost for an outage of userinfo that passes: HTTP %i %s', async (status, body) => {
    let failures = 2;
    const outage: Change = (path, answer) =>
      path === `${OAUTH}/userinfo` && failures-- > 0 ? { ...answer, status, body } : undefined;
    expect(await logIn(outage)).toMatchObject({ code: 0, isStored: true });
  });

  it('names where the revoke endpoint points to, and sends the token nowhere else', async () => {
    const away: Change = (path, answer) =>
      path === `${OAUTH}/revoke`
        ? { ...answer, status: 302, headers: { location: 'https://acme.my.salesforce.com/?t0k3n' } }
        : undefined;
    const { code, stderr, isStored } = await logIn(away, { user: 'other@example.com' });
    expect({ code, isStored }).toEqual({ code: 1, isStored: false });
    expect(whole(stderr)).toContain('could not be revoked (the endpoint points to acme.my.salesforce.com)');
    expect(stderr).not.toContain('t0k3n');
  });
});
