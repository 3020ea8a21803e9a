import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../functions/core/connection/connection.ts';
import { accessTokenAlone, checkAccessTokenLife, outlivesInterval } from '../../../functions/core/grants/grant.ts';
import { grantOf } from '../../../functions/core/grants/grant-of.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { fakeContext, fakeEndpoint, fakeRun } from '../../support/rules.ts';
import { servingIn } from '../../support/serving.ts';
import { CODE_CONNECTION, down } from '../../support/token-services.ts';

const NOW = 1_700_000_000_000;
const serving = servingIn(fakeContext({}, fakeRun({ now: NOW })));

describe('the life of an access token', () => {
  it('outlives the interval where it ends with it or later, or nobody knows when', () => {
    expect(outlivesInterval(null, serving)).toBe(true);
    expect(outlivesInterval(new Date(NOW + 3_600_000), serving)).toBe(true);
    expect(outlivesInterval(new Date(NOW + 3_599_999), serving)).toBe(false);
    expect(() => checkAccessTokenLife(null, serving)).not.toThrow();
    expect(() => checkAccessTokenLife(new Date(NOW + 3_600_000), serving)).not.toThrow();
    expect(() => checkAccessTokenLife(new Date(NOW + 3_599_999), serving)).toThrow('lives 3599 s');
  });

  it('is of a token that AppFlow takes as AUTHORIZATION_CODE, whichever grant it came from', () => {
    const accessToken = new Redacted('a');
    expect(accessTokenAlone(accessToken)).toEqual({ oAuth2GrantType: 'AUTHORIZATION_CODE', accessToken });
  });
});

describe('the grant of a connection', () => {
  const base = { name: 'sf-eu', connectorProfileName: 'sf-eu', loginUrl: 'https://login.salesforce.com' };
  const jwt: Connection = {
    ...base,
    grantType: 'JWT_BEARER',
    handOver: 'JWT',
    clientId: 'c',
    username: 'u',
    audience: 'a',
    key: { pem: new Redacted('PEM') },
    nextKey: undefined,
    certificate: undefined,
    lifetimeSeconds: undefined,
  };
  const client: Connection = {
    ...base,
    grantType: 'CLIENT_CREDENTIALS',
    handOver: 'CLIENT_CREDENTIALS_ARN',
    clientCredentialsArn: 'arn',
  };

  it.each([
    [jwt, 'JWT', 'sign'],
    [CODE_CONNECTION, 'ACCESS_AND_REFRESH_TOKEN', 'stages'],
    [client, 'CLIENT_CREDENTIALS_ARN', 'grants'],
  ] as const)('is the one that its secret names', async (connection, handOver, first) => {
    const grant = grantOf(connection);
    expect([grant.connection, grant.handOver(undefined)]).toEqual([connection, handOver]);
    const asked: string[] = [];
    const ask = (what: string) => async (): Promise<never> => {
      asked.push(what);
      throw down();
    };
    const context = fakeContext({
      signer: { sign: ask('sign') },
      store: { stages: ask('stages') },
      salesforce: { tokenEndpoint: () => fakeEndpoint({}) },
    });
    const obtained = grant.obtain(servingIn(context, { supportedGrants: ask('grants') }), async () => undefined);
    await expect(obtained).rejects.toMatchObject({ code: 'SECRETS_UNAVAILABLE' });
    expect(asked).toEqual([first]);
  });
});
