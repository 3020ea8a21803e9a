import { createServer } from 'node:http';
import { afterEach, expect, it } from 'vitest';
import { salesforceAdapter } from '../../functions/adapters/salesforce.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import type { Run } from '../../functions/core/run.ts';
import { systemClock } from '../../functions/runtime/clock.ts';

const warnings: string[] = [];
const run: Run = {
  id: 'run',
  ...systemClock,
  sleep: async () => undefined,
  random: () => 0,
  deadline: Number.POSITIVE_INFINITY,
  signal: new AbortController().signal,
  warn: (_connection, message) => warnings.push(message),
};
const client = { clientId: 'app', clientSecret: new Redacted('secret') };

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
  warnings.length = 0;
});

/** A login host that answers everything with one body. */
async function answering(body: string, status = 200, asked: string[] = []) {
  const server = createServer((request, response) => {
    let sent = '';
    request.on('data', (chunk) => (sent += chunk));
    request.on('end', () => {
      asked.push(`${request.url}?${sent}`);
      response.writeHead(status).end(body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push(() => server.close());
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return salesforceAdapter.tokenEndpoint({ name: 'sf', loginUrl: `http://127.0.0.1:${port}` }, 'prefix/sf');
}

it.each([
  ['an expiry beyond all dates', '{"active":true,"exp":1e300}'],
  ['an expiry before the epoch', '{"active":true,"exp":-1}'],
  ['a duration', '{"active":true,"exp":7200}'],
  ['a word', '{"active":true,"exp":"soon"}'],
  ['no expiry', '{"active":true}'],
  ['an inactive token', '{"active":false}'],
  ['text that is not JSON', 'not json'],
  ['a very long body', `"${'x'.repeat(70_000)}"`],
])('treats the expiry of an access token as unknown when introspection answers %s', async (_what, body) => {
  const endpoint = await answering(body);
  expect(await endpoint.expiryOf(client, new Redacted('token'), run)).toBeNull();
  expect(warnings).toEqual(['Salesforce does not say when the access token ends (introspection: HTTP 200).']);
});

it('reads the expiry of an access token in epoch seconds', async () => {
  const endpoint = await answering('{"active":true,"exp":1795500000}');
  expect(await endpoint.expiryOf(client, new Redacted('token'), run)).toEqual(new Date(1_795_500_000_000));
});

it('reports SALESFORCE_REPLY_UNREADABLE for a body longer than any token response', async () => {
  const endpoint = await answering(`{"access_token":"${'x'.repeat(70_000)}"}`);
  await expect(endpoint.exchangeRefreshToken(client, new Redacted('r'), run)).rejects.toMatchObject({
    code: 'SALESFORCE_REPLY_UNREADABLE',
  });
});

it('introspects a refresh token as one, with the client and its secret', async () => {
  const asked: string[] = [];
  const endpoint = await answering('{"active":true}', 200, asked);
  expect(await endpoint.isActive(client, new Redacted('r1'), run)).toBe(true);
  expect(await (await answering('{"active":false}')).isActive(client, new Redacted('r1'), run)).toBe(false);
  const [path = '', query] = asked[0]?.split('?') ?? [];
  expect([path, Object.fromEntries(new URLSearchParams(query))]).toEqual([
    '/services/oauth2/introspect',
    { token: 'r1', token_type_hint: 'refresh_token', client_id: 'app', client_secret: 'secret' },
  ]);
});

it.each([
  ['no JSON', '<html>', 200],
  ['no such endpoint', 'Not found', 404],
  ['an org that does not offer it', '{"error":"unsupported_token_type"}', 400],
  ['a token that it calls invalid', '{"error":"invalid_token"}', 401],
])('is told nothing about a refresh token by an introspection that answers %s', async (_what, body, status) => {
  expect(await (await answering(body, status)).isActive(client, new Redacted('r1'), run)).toBeUndefined();
});

it.each([
  [
    'the client',
    '{"error":"invalid_client","error_description":"invalid client credentials"}',
    401,
    'SALESFORCE_REFUSED',
  ],
  ['for now', 'Busy', 503, 'SALESFORCE_UNAVAILABLE'],
])('fails where the introspection of a refresh token refuses %s', async (_what, body, status, code) => {
  await expect((await answering(body, status)).isActive(client, new Redacted('r1'), run)).rejects.toMatchObject({
    code,
  });
});
