import { createServer } from 'node:http';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { salesforceAdapter } from '../../functions/adapters/salesforce.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { fakeRun, rejectionOf } from '../support/rules.ts';
import type { Answer } from '../support/salesforce-between.ts';

const CLIENT = { clientId: 'app', clientSecret: new Redacted('s3cret') };
const NOW = Date.parse('2026-11-24T09:00:00.000Z');
const GOOD = { access_token: 'acc355', refresh_token: 'r3fr35h', token_type: 'Bearer' };

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

/** A login host that gives these answers in turn, the last one for ever; `cut` breaks the connection within a body. */
async function answering(...answers: readonly (Partial<Answer> & { readonly cut?: boolean })[]) {
  let requests = 0;
  const server = createServer((request, response) => {
    const { status = 200, headers = {}, body = '', cut } = answers[Math.min(requests++, answers.length - 1)] ?? {};
    request.resume().on('end', () => {
      response.writeHead(status, cut === true ? { ...headers, 'content-length': '9999' } : headers);
      if (cut !== true) return response.end(body);
      return response.write(body, () => setTimeout(() => request.socket.destroy(), 20));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => server.close());
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  const run = fakeRun({ now: NOW });
  const endpoint = salesforceAdapter.tokenEndpoint({ name: 'sf', loginUrl: url }, 'prefix/sf');
  return {
    url,
    run,
    endpoint,
    requests: () => requests,
    ask: {
      assertion: () => endpoint.exchangeAssertion(async () => new Redacted('a.b.c'), run),
      client: () => endpoint.exchangeClientCredentials(CLIENT, run),
      code: () => endpoint.exchangeCode(CLIENT, new Redacted('c'), 'https://example.com/', run),
      refresh: () => endpoint.exchangeRefreshToken(CLIENT, new Redacted('r'), run),
      userinfo: () => endpoint.tryAccessToken(new Redacted('t'), run),
    },
  };
}

const json = (value: unknown) => JSON.stringify(value);

describe('the tokens of a reply', () => {
  it.each<[string, Partial<Answer> & { cut?: boolean }]>([
    ['with a byte order mark', { body: `\ufeff${json(GOOD)}` }],
    ['with two of them and blanks around', { body: `\ufeff\ufeff \r\n${json(GOOD)}\n\u00a0` }],
    ['in UTF-16 with a byte order mark', { body: Buffer.from(`\ufeff${json(GOOD)}`, 'utf16le') }],
    ['that is called HTML', { body: json(GOOD), headers: { 'content-type': 'text/html' } }],
    ['without a content type', { body: json(GOOD) }],
    ['in gzip', { body: gzipSync(json(GOOD)), headers: { 'content-encoding': 'gzip' } }],
    ['with another status of success', { status: 201, body: json(GOOD) }],
    ['whose type is written in small letters', { body: json({ ...GOOD, token_type: 'bearer' }) }],
    [
      'whose other members are null',
      {
        body: json({
          ...GOOD,
          token_type: null,
          instance_url: null,
          id: null,
          expires_in: null,
          scope: null,
          issued_at: null,
        }),
      },
    ],
    [
      'whose other members are empty',
      { body: json({ ...GOOD, token_type: '', instance_url: '', id: '', expires_in: '', scope: '', issued_at: '' }) },
    ],
    [
      'whose other members are of strange types',
      { body: json({ ...GOOD, token_type: 7, id: [], scope: {}, id_token: false, expires_in: [] }) },
    ],
    ['with an error beside', { body: json({ ...GOOD, error: null, error_description: '' }) }],
    [
      'that names them twice, the second time empty',
      { body: `{"refresh_token":"r3fr35h",${json(GOOD).slice(1, -1)},"refresh_token":"","access_token":null}` },
    ],
    ['in a list', { body: json([GOOD]) }],
    ['within another object', { body: json({ result: GOOD }) }],
    ['framed by a page', { body: `<pre>${json(GOOD)}</pre>` }],
    ['that is cut off behind them', { body: json(GOOD).slice(0, -3) }],
    ['whose connection is cut behind them', { body: json(GOOD).slice(0, -3), cut: true }],
    ['with a line break in another member', { body: `{"scope":"api\nweb",${json(GOOD).slice(1)}` }],
  ])('are read from one %s', async (_, answer) => {
    for (const what of ['code', 'refresh'] as const) {
      const { ask } = await answering(answer);
      const { accessToken, refreshToken } = await ask[what]();
      expect([accessToken?.reveal(), refreshToken?.reveal()]).toEqual(['acc355', 'r3fr35h']);
    }
  });

  it.each([undefined, null, '', 5, {}, ['x'], true])(
    'are the refresh token alone where access_token is %j',
    async (access) => {
      const { ask } = await answering({ body: json({ ...GOOD, access_token: access }) });
      const { accessToken, refreshToken } = await ask.code();
      expect([accessToken, refreshToken?.reveal()]).toEqual([undefined, 'r3fr35h']);
      for (const what of ['assertion', 'client'] as const)
        expect(await rejectionOf(ask[what]())).toMatchObject({ code: 'SALESFORCE_REPLY_UNREADABLE', retryable: true });
    },
  );

  it.each([undefined, null, '', 5, {}, false])(
    'are the access token alone where refresh_token is %j',
    async (refresh) => {
      const { ask } = await answering({ body: json({ ...GOOD, refresh_token: refresh }) });
      const { accessToken, refreshToken } = await ask.refresh();
      expect([accessToken?.reveal(), refreshToken]).toEqual(['acc355', undefined]);
    },
  );

  it.each([
    ['a form', 'access_token=acc355&refresh_token=r3fr35h&token_type=Bearer&expires_in=900'],
    ['XML', '<OAuth><access_token>acc355</access_token><refresh_token>r3fr35h</refresh_token></OAuth>'],
  ])('are read from one in another format of Salesforce: %s', async (_, body) => {
    const { accessToken, refreshToken } = await (await answering({ body })).ask.refresh();
    expect([accessToken?.reveal(), refreshToken?.reveal()]).toEqual(['acc355', 'r3fr35h']);
  });

  it('are none where the reply has neither, or is a refusal', async () => {
    for (const body of [
      '',
      '{}',
      'null',
      '[]',
      json({ access_token: '', refresh_token: null }),
      '{"access_token":"half',
    ])
      expect(await rejectionOf((await answering({ body })).ask.code())).toMatchObject({
        code: 'SALESFORCE_REPLY_UNREADABLE',
      });
    const refused = await answering({ body: json({ error: 'invalid_grant', error_description: null }) });
    expect(await rejectionOf(refused.ask.code())).toMatchObject({
      code: 'SALESFORCE_REFUSED',
      message: 'invalid_grant',
    });
    const failed = await answering({ status: 400, body: json(GOOD) });
    expect(await rejectionOf(failed.ask.code())).toMatchObject({ code: 'SALESFORCE_REPLY_UNREADABLE' });
  });

  it.each([
    [900, 900],
    ['900', 900],
    [' 900 ', 900],
    [899.5, 899.5],
    ['899.5', 899.5],
    [315_360_000, 315_360_000],
    // The time of the end itself.
    [NOW / 1000 + 900, 900],
    [NOW + 900_000, 900],
    [NOW / 1000 - 900, undefined],
    [1e12, undefined],
    ...[null, '', 0, '0', -1, '-900', 1e300, '9'.repeat(20), 'NaN', 'soon', '1e3', '0x10', true, [900], { s: 900 }].map(
      (value): [unknown, undefined] => [value, undefined],
    ),
  ])('end as expires_in says: %j', async (expiresIn, seconds) => {
    const { ask } = await answering({ body: json({ ...GOOD, expires_in: expiresIn }) });
    const expected = seconds === undefined ? undefined : new Date(NOW + seconds * 1000);
    for (const what of ['assertion', 'client', 'code', 'refresh'] as const)
      expect((await ask[what]()).expiresAt).toEqual(expected);
  });
});

describe('an introspection', () => {
  const END = new Date(1_795_500_000_000);
  it.each([
    [{ active: true, exp: 1_795_500_000 }, END],
    [{ active: true, exp: '1795500000' }, END],
    [{ active: true, exp: 1_795_500_000.25 }, new Date(END.getTime() + 250)],
    [{ active: null, exp: 1_795_500_000 }, END],
    [{ active: '', exp: 1_795_500_000 }, END],
    [{ active: 'true', exp: 1_795_500_000, scope: null, username: null }, END],
    [{ exp: 1_795_500_000 }, END],
    [{ active: false, exp: 1_795_500_000 }, null],
    [{ active: 'false', exp: 1_795_500_000 }, null],
    [{ active: true, exp: 1_795_500_000_000 }, END],
    [{ active: true, exp: '1795500000000' }, END],
    [{ active: 'False', exp: 1_795_500_000 }, null],
    [{ active: 0, exp: 1_795_500_000 }, null],
    [{ active: true, exp: null }, null],
    [{ active: true, exp: '' }, null],
    [{ active: true, exp: 0 }, null],
  ])('of %j tells the end or nothing', async (body, end) => {
    const { endpoint, run } = await answering({ body: json(body) });
    expect(await endpoint.expiryOf(CLIENT, new Redacted('t'), run)).toEqual(end);
    expect(run.warnings).toHaveLength(end === null ? 1 : 0);
  });
});

describe('a refusal', () => {
  const DEAD = { error: 'invalid_grant', error_description: 'expired access/refresh token' };
  it.each([
    ['a form', 'error=invalid_grant&error_description=expired%20access%2Frefresh%20token'],
    ['a form with plus signs', 'error=invalid_grant&error_description=expired+access/refresh+token'],
    [
      'XML',
      '<OAuth><error>invalid_grant</error><error_description>expired access/refresh token</error_description></OAuth>',
    ],
    ['a page around JSON', `<pre>${json(DEAD)}</pre>`],
    ['a guard before JSON', `while(1);${json(DEAD)}`],
    ['a list', json([DEAD])],
  ])('is final in whatever format it comes, so that it is not retried for ever: %s', async (_, body) => {
    for (const what of ['assertion', 'client', 'code', 'refresh'] as const) {
      const { ask, requests } = await answering({ status: 400, body });
      expect(await rejectionOf(ask[what]())).toMatchObject({
        code: 'SALESFORCE_REFUSED',
        message: 'invalid_grant: expired access/refresh token',
      });
      expect(requests()).toBe(1);
    }
  });

  it.each(['NOT_FOUND', 'URL_NOT_RESET', 'METHOD_NOT_ALLOWED'])(
    'of an address that gives out no tokens names where to log in: %s',
    async (errorCode) => {
      const { ask } = await answering({ status: 404, body: json([{ errorCode, message: 'x' }]) });
      const { code, hint } = await rejectionOf(ask.refresh());
      expect([code, hint]).toEqual([
        'SALESFORCE_REFUSED',
        expect.stringMatching(/^Set loginUrl in prefix\/sf to .*My Domain/),
      ]);
    },
  );
});

describe('userinfo', () => {
  // Taken for a dead token, each would spend another refresh token.
  it.each([
    [403, json([{ errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' }])],
    [403, json([{ errorCode: 'SERVER_UNAVAILABLE', message: 'x' }])],
    [403, json([{ errorCode: 'API_CURRENTLY_DISABLED', message: 'x' }])],
    [400, json({ error: 'unknown_error' })],
    [400, json({ error: 'temporarily_unavailable' })],
    [403, '<h1>Service Unavailable</h1>'],
    [503, ''],
  ])('that has no time says nothing about the token: HTTP %i %s', async (status, body) => {
    const { ask, requests } = await answering({ status, body }, { status: 200, body: '{}' });
    await ask.userinfo();
    expect(requests()).toBe(2);
    const always = await answering({ status, body });
    expect(await rejectionOf(always.ask.userinfo())).toMatchObject({ code: 'SALESFORCE_UNAVAILABLE', retryable: true });
  });

  it.each([
    [401, json([{ errorCode: 'INVALID_SESSION_ID', message: 'Session expired or invalid' }])],
    [403, 'Bad_OAuth_Token'],
    [403, 'Wrong_Org'],
    [403, json([{ errorCode: 'API_DISABLED_FOR_ORG', message: 'x' }])],
  ])('that refuses a token is believed: HTTP %i %s', async (status, body) => {
    const { ask, requests } = await answering({ status, body });
    expect(await rejectionOf(ask.userinfo())).toMatchObject({ code: 'SALESFORCE_REFUSED' });
    expect(requests()).toBe(1);
  });
});

describe('what asks to try again', () => {
  const AGAIN: readonly Partial<Answer>[] = [
    { error: 'unknown_error', error_description: 'retry your request' },
    { error: 'unknown_error' },
    { error: 'server_error' },
    { error: 'temporarily_unavailable', error_description: null },
    { error: 'SERVICE_UNAVAILABLE' },
    { error: 'invalid_grant', error_description: 'Please try again later.' },
    { error: 'something_new', error_description: 'Please try again' },
    {
      error: 'invalid_request',
      error_description: 'UNABLE_TO_LOCK_ROW: unable to obtain exclusive access to this record',
    },
    { error: 'invalid_grant', error_description: 'Your request has been throttled' },
    { error: 'app_not_found', error_description: 'The ECA is being set up, try again later' },
    { errorCode: 'REQUEST_LIMIT_EXCEEDED', message: 'TotalRequests Limit exceeded.' },
    { error: 'LOGIN_RATE_EXCEEDED' },
    { error: 'server_busy' },
    { error: 'internal_server_error' },
    { error: 'request-timeout' },
    { error: 'site_under_maintenance' },
    { error: 'invalid_request', error_description: 'again later' },
    { error: 'invalid_grant', error_description: 'The org is in read-only mode. Please come back later.' },
    { message: 'Service Unavailable' },
    [{ errorCode: 'SERVER_UNAVAILABLE', message: 'x' }],
  ].map((body) => ({ status: 400, body: json(body) }));

  it.each([...AGAIN, { status: 400, body: '<h1>Service Unavailable</h1>' }, { status: 408, body: '' }])(
    'is asked again within the run, with a JWT or as a client: %j',
    async (answer) => {
      for (const what of ['assertion', 'client'] as const) {
        const { ask, requests } = await answering(answer, { body: json(GOOD) });
        expect((await ask[what]()).accessToken.reveal()).toBe('acc355');
        expect(requests()).toBe(2);
      }
    },
  );

  it.each([...AGAIN, { status: 400, body: '<h1>Service Unavailable</h1>' }])(
    'is left to the queue where a token or code was sent: %j',
    async (answer) => {
      for (const what of ['code', 'refresh'] as const) {
        const { ask, requests } = await answering(answer, { body: json(GOOD) });
        expect(await rejectionOf(ask[what]())).toMatchObject({ code: 'SALESFORCE_UNAVAILABLE', retryable: true });
        expect(requests()).toBe(1);
      }
    },
  );
});

describe('a redirect', () => {
  const SECRET = '/token?access_token=t0k3n#refresh_token=r3fr35h';
  it.each<[string, number, string, string]>([
    ['to another host', 302, `https://acme.my.salesforce.com${SECRET}`, 'acme.my.salesforce.com'],
    ['for good', 301, `https://acme.my.salesforce.com${SECRET}`, 'acme.my.salesforce.com'],
    ['to be repeated as it is', 307, `https://acme.my.salesforce.com${SECRET}`, 'acme.my.salesforce.com'],
    ['to be repeated as it is, for good', 308, `https://acme.my.salesforce.com${SECRET}`, 'acme.my.salesforce.com'],
    ['to be read', 303, `https://acme.my.salesforce.com${SECRET}`, 'acme.my.salesforce.com'],
    ['without a scheme', 302, `//acme.my.salesforce.com${SECRET}`, 'acme.my.salesforce.com'],
    ['to another port', 302, `http://127.0.0.1:1${SECRET}`, '127.0.0.1:1'],
    ['with a name and password', 302, `https://us3r:p4ss@acme.example${SECRET}`, 'acme.example'],
    ['to a name that is not ASCII', 302, `https://b%C3%BCcher.example${SECRET}`, 'xn--bcher-kva.example'],
  ])('%s is final, names the host alone, and is not followed', async (_, status, location, host) => {
    for (const what of ['assertion', 'client', 'code', 'refresh', 'userinfo'] as const) {
      const { ask, requests } = await answering({ status, headers: { location }, body: '' });
      const error = await rejectionOf(ask[what]());
      expect(error).toMatchObject({ code: 'SALESFORCE_REFUSED', retryable: false });
      expect(error.message).toContain(host);
      expect(error.hint).toContain(`If ${host} is that`);
      expect(error.hint).toContain('loginUrl in prefix/sf');
      expect(error.message + error.hint).not.toMatch(/t0k3n|r3fr35h|us3r|p4ss|\/token/);
      expect(requests()).toBe(1);
    }
  });

  it.each<[string, Partial<Answer>, string]>([
    ['within the same host', { status: 302, headers: { location: '/login?t0k3n' } }, 'leads on to another page'],
    ['without a Location', { status: 302 }, 'nor an OAuth error.'],
    ['with an empty Location', { status: 302, headers: { location: '' } }, 'another page'],
    ['that is no address', { status: 302, headers: { location: 'http://[t0k3n' } }, 'nor an OAuth error.'],
    ['to a program', { status: 302, headers: { location: 'javascript:t0k3n' } }, 'nor an OAuth error.'],
    [
      'to a host too long',
      { status: 302, headers: { location: `https://${'a.'.repeat(80)}t0k3n/` } },
      'nor an OAuth error.',
    ],
    [
      'that is a page with a refresh',
      { body: '<meta http-equiv="refresh" content="0;url=https://acme.example/?t0k3n">' },
      'leads on to acme.example',
    ],
    [
      'that is a page with a script',
      { body: "<script>window.location.replace('https://acme.example/?t0k3n');</script>" },
      'leads on to acme.example',
    ],
  ])('%s may pass, and is told as far as it can be', async (_, answer, said) => {
    const { ask } = await answering({ body: '', ...answer });
    const error = await rejectionOf(ask.refresh());
    expect(error).toMatchObject({ code: 'SALESFORCE_REPLY_UNREADABLE', retryable: true });
    expect(error.message).toContain(said);
    expect(error.message + error.hint).not.toContain('t0k3n');
  });

  it('of an introspection is named in the warning', async () => {
    const { endpoint, run } = await answering({ status: 302, headers: { location: 'https://acme.example/?t0k3n' } });
    expect(await endpoint.expiryOf(CLIENT, new Redacted('t'), run)).toBeNull();
    expect(run.warnings).toEqual([
      {
        connection: 'sf',
        message:
          'Salesforce does not say when the access token ends (introspection: HTTP 302, which points to acme.example).',
      },
    ]);
  });
});
