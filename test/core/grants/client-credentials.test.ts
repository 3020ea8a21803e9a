import { describe, expect, it } from 'vitest';
import type { ClientCredentialsConnection } from '../../../functions/core/connection/connection.ts';
import { SERVES_TAG } from '../../../functions/core/connection/serves.ts';
import { clientCredentials } from '../../../functions/core/grants/client-credentials.ts';
import type { Obtained, Serving } from '../../../functions/core/grants/grant.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { fakeContext, fakeEndpoint, fakeRun } from '../../support/rules.ts';
import { servingIn } from '../../support/serving.ts';

const NOW = Date.parse('2026-11-24T09:00:00.000Z');
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:appflow-client-credentials/sf-AbCdEf';
const CONNECTION: ClientCredentialsConnection = {
  name: 'sf-eu',
  connectorProfileName: 'sf-eu',
  loginUrl: 'https://acme.my.salesforce.com',
  grantType: 'CLIENT_CREDENTIALS',
  handOver: 'CLIENT_CREDENTIALS_ARN',
  clientCredentialsArn: ARN,
};

function world(
  some: Partial<Serving> = {},
  ends: Date | null = null,
  { value = '{"clientId":"c","clientSecret":"s"}', serves = 'sf-eu' } = {},
) {
  const asked: string[] = [];
  const endpoint = fakeEndpoint({
    exchangeClientCredentials: async ({ clientId, clientSecret }) => {
      asked.push(`exchange ${clientId} ${clientSecret?.reveal()}`);
      return { accessToken: new Redacted(`access-${asked.length}`), refreshToken: undefined };
    },
    expiryOf: async ({ clientSecret }, token) => {
      asked.push(`expiry ${clientSecret?.reveal()} ${token.reveal()}`);
      return ends;
    },
  });
  const context = fakeContext(
    {
      secrets: {
        tags: async (named, willDo) => {
          const tagged = { arn: named, tags: new Map([[SERVES_TAG, serves]]) };
          asked.push(`tags ${named}: ${willDo(tagged)}`);
          return tagged;
        },
        value: async (id) => {
          asked.push(`value ${id}`);
          return { versionId: 'v', value: new Redacted(value) };
        },
      },
      salesforce: {
        tokenEndpoint: ({ name }, secretName) => {
          asked.push(`endpoint ${name} ${secretName}`);
          return endpoint;
        },
      },
    },
    fakeRun({ now: NOW }),
  );
  const serving = servingIn(context, { supportedGrants: async () => new Set(['CLIENT_CREDENTIALS']), ...some });
  return { asked, serving };
}

describe('CLIENT_CREDENTIALS by ARN', () => {
  it('tries the secret before AppFlow is told of it, and hands over the ARN', async () => {
    const { serving, asked } = world();
    const used: Obtained[] = [];
    const obtained = await clientCredentials(CONNECTION).obtain(serving, async (one) => {
      used.push(one);
    });
    expect(obtained).toMatchObject({
      credentials: { oAuth2GrantType: 'CLIENT_CREDENTIALS', clientCredentialsArn: ARN },
      handOver: 'CLIENT_CREDENTIALS_ARN',
      validUntil: null,
    });
    expect(used).toEqual([obtained]);
    expect(asked).toEqual([
      `tags ${ARN}: true`,
      `value ${ARN}`,
      'endpoint sf-eu appflow-token-refresher/sf-eu',
      'exchange c s',
    ]);
  });

  it('is refused before the secret is read where that does not say that it serves the connection', async () => {
    const { serving, asked } = world({}, null, { serves: 'another' });
    await expect(clientCredentials(CONNECTION).obtain(serving, async () => undefined)).rejects.toMatchObject({
      code: 'ACCESS_DENIED',
    });
    expect(asked).toEqual([`tags ${ARN}: false`]);
  });

  it.each([
    ['lists other grants', new Set(['JWT_BEARER'])],
    ['lists no grants', undefined],
  ])('is refused before anything is read where AppFlow %s', async (_, grants) => {
    const { serving, asked } = world({ supportedGrants: async () => grants });
    await expect(clientCredentials(CONNECTION).obtain(serving, async () => undefined)).rejects.toMatchObject({
      code: 'GRANT_UNSUPPORTED',
      message: 'AppFlow does not list CLIENT_CREDENTIALS for Salesforce in this account and Region.',
      hint: 'Set "handOver": "ACCESS_TOKEN" in the secret of sf-eu: the access token is then fetched here and handed over.',
    });
    expect(asked).toEqual([]);
  });

  it('leaves nothing to finish, and says beforehand what is handed over', async () => {
    const grant = clientCredentials(CONNECTION);
    await expect(grant.finish(world().serving)).resolves.toBeUndefined();
    expect(grant.handOver(undefined)).toBe('CLIENT_CREDENTIALS_ARN');
    expect(grant.connection).toBe(CONNECTION);
  });

  it.each([
    ['{', 'the value is not JSON: its closing brace is missing, or something stands after it'],
    ['[]', 'the value is not a JSON object'],
    ['', 'the value is empty'],
    ['{}', 'clientId is missing; clientSecret is missing'],
    ['{"clientId":"c"}', 'clientSecret is missing'],
    ['{"clientSecret":"s"}', 'clientId is missing'],
    ['{"clientId":"","clientSecret":"s"}', 'clientId is empty'],
    ['{"clientId":"c","clientSecret":""}', 'clientSecret is empty'],
    ['{"clientId":1,"clientSecret":"s"}', 'clientId must be a string'],
    ['{"clientId":"c","clientSecret":null}', 'clientSecret must be a string'],
    ['{"clientId":"c\\n","clientSecret":"s"}', 'clientId ends with a line break'],
    ['{"clientId":" c","clientSecret":"s\\r\\n"}', 'clientId begins with a space; clientSecret ends with a line break'],
    ['{"clientId":"c c","clientSecret":"s"}', 'clientId holds a space'],
    ['{"clientId":"c","clientSecret":"s\\u200b"}', 'clientSecret ends with an invisible character (U+200B)'],
    ['{"clientId":"c","clientSecret":"\\u00a0s"}', 'clientSecret begins with a space of another kind (U+00A0)'],
    ['{"clientId":"\\ufeffc","clientSecret":"s"}', 'clientId begins with an invisible character (U+FEFF)'],
    ['{"consumerKey":"c","clientSecret":"s"}', 'clientId is missing'],
    [
      '{"clientId ":"c","clientSecret":"s"}',
      'the name of the key clientId has white space or an invisible character around it',
    ],
    ['{"clientId":"\\"c\\"","clientSecret":"s"}', 'clientId stands in quotes of its own'],
    ['{"clientId":"c","clientSecret":"{{SECRET}}"}', 'clientSecret is a placeholder that nothing has filled in'],
    [
      '{"clientId":"c","clientSecret":"s\\\\n"}',
      'clientSecret ends with an escape, such as \\n, that was taken for text',
    ],
    ["{'clientId':'c'}", 'the value is not JSON: its quotes are single; JSON has double ones'],
  ])('is refused where the secret of the client is malformed, naming that secret: %s', async (value, what) => {
    const { serving, asked } = world({}, null, { value });
    await expect(clientCredentials(CONNECTION).obtain(serving, async () => undefined)).rejects.toMatchObject({
      code: 'SECRET_MALFORMED',
      message: `In the secret ${ARN}: ${what}.`,
      hint: `Store {"clientId": …, "clientSecret": …} in ${ARN}, which clientCredentialsArn of sf-eu names. The secret of sf-eu itself is right.`,
    });
    expect(asked).not.toContainEqual(expect.stringContaining('exchange'));
  });
});

/** What Secrets Manager's managed external secrets for Salesforce hold. */
const MANAGED = {
  consumerKey: 'k',
  consumerSecret: 'm',
  baseUri: 'https://acme.my.salesforce.com',
  appId: '0x',
  consumerId: '888',
  environmentId: 'sandbox',
};

describe('a managed external secret', () => {
  it.each([
    ['as it is', JSON.stringify(MANAGED)],
    ['with two keys alone', '{"consumerKey":"k","consumerSecret":"m"}'],
    ['after a byte order mark', `\ufeff${JSON.stringify(MANAGED)}`],
    ['encoded twice', JSON.stringify(JSON.stringify(MANAGED))],
    ['with values of other types beside them', JSON.stringify({ ...MANAGED, environmentId: 7, more: [null] })],
  ])('is read where AppFlow is given an access token: %s', async (_, value) => {
    const { serving, asked } = world({}, null, { value });
    await clientCredentials({ ...CONNECTION, handOver: 'ACCESS_TOKEN' }).obtain(serving, async () => undefined);
    expect(asked).toContain('exchange k m');
  });

  it.each([
    [{ ...MANAGED, consumerSecret: 'm\n' }, 'consumerSecret ends with a line break'],
    [{ ...MANAGED, consumerKey: ' k' }, 'consumerKey begins with a space'],
    [{ consumerKey: 'k' }, 'consumerSecret is missing'],
    [{ ...MANAGED, consumerKey: '' }, 'consumerKey is empty'],
    [{ ...MANAGED, consumerSecret: 5 }, 'consumerSecret must be a string'],
  ])('is refused by what is wrong with it: %j', async (value, what) => {
    const { serving } = world({}, null, { value: JSON.stringify(value) });
    const grant = clientCredentials({ ...CONNECTION, handOver: 'ACCESS_TOKEN' });
    await expect(grant.obtain(serving, async () => undefined)).rejects.toMatchObject({
      code: 'SECRET_MALFORMED',
      message: `In the secret ${ARN}: ${what}.`,
    });
  });

  it('is refused where AppFlow is given its ARN, with why and what to do', async () => {
    const { serving, asked } = world({}, null, { value: JSON.stringify(MANAGED) });
    await expect(clientCredentials(CONNECTION).obtain(serving, async () => undefined)).rejects.toMatchObject({
      code: 'SECRET_MALFORMED',
      message: `The secret ${ARN} holds consumerKey and consumerSecret, and AppFlow, which is to be given its ARN, reads clientId and clientSecret.`,
      hint: 'Set "handOver": "ACCESS_TOKEN" in appflow-token-refresher/sf-eu: tokens are then fetched here with that secret. Or name a secret {"clientId": …, "clientSecret": …} in its clientCredentialsArn.',
    });
    expect(asked).not.toContainEqual(expect.stringContaining('exchange'));
  });

  it('yields to clientId and clientSecret where it holds both', async () => {
    const { serving, asked } = world({}, null, {
      value: JSON.stringify({ ...MANAGED, clientId: 'c', clientSecret: 's' }),
    });
    await clientCredentials(CONNECTION).obtain(serving, async () => undefined);
    expect(asked).toContain('exchange c s');
  });
});

describe('CLIENT_CREDENTIALS by an access token', () => {
  const grant = clientCredentials({ ...CONNECTION, handOver: 'ACCESS_TOKEN' });
  const obtain = (serving: Serving) => grant.obtain(serving, async () => undefined);

  it('fetches the token itself, whatever AppFlow lists', async () => {
    const ends = new Date(NOW + 3_600_000);
    const { serving, asked } = world({ supportedGrants: async () => new Set() }, ends);
    const obtained = await obtain(serving);
    expect(obtained).toMatchObject({
      credentials: { oAuth2GrantType: 'AUTHORIZATION_CODE' },
      handOver: 'ACCESS_TOKEN',
      validUntil: ends,
    });
    expect(asked.at(-1)).toBe('expiry s access-4');
  });

  it('fetches another one for one more try', async () => {
    const { serving } = world();
    const obtained = await obtain(serving);
    if (obtained === 'in-progress') throw new Error('There is nothing to wait for.');
    const renewed = await obtained.renewed();
    expect(obtained.credentials.accessToken?.reveal()).toBe('access-4');
    expect(renewed.credentials.accessToken?.reveal()).toBe('access-9');
  });

  it('is refused where the token would end before the next refresh', async () => {
    await expect(obtain(world({}, new Date(NOW + 3_599_999)).serving)).rejects.toMatchObject({
      code: 'LIFETIME_TOO_SHORT',
      message: 'The access token of sf-eu lives 3599 s, and the next refresh comes after 3600 s.',
      hint: "Lengthen the session timeout of the connected app or of the integration user's profile, or set the tag refresh-interval-seconds of sf-eu to 3599 or less. An app that issues access tokens as JWTs has a timeout of its own for them, of 30 minutes at most: lengthen it, or turn such tokens off.",
    });
  });
});
