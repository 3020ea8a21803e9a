import { describe, expect, it } from 'vitest';
import type { Connection } from '../../../functions/core/connection/connection.ts';
import { accessTokenAlone, checkAccessTokenLife, outlivesInterval } from '../../../functions/core/grants/grant.ts';
import { grantOf } from '../../../functions/core/grants/grant-of.ts';
import { Redacted } from '../../../functions/core/redacted.ts';
import { fakeContext, fakeRun } from '../../support/rules.ts';
import { servingIn } from '../../support/serving.ts';
import { CODE_CONNECTION } from '../../support/token-services.ts';

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
  const base = { name: 'sf-eu', loginUrl: 'https://login.salesforce.com' };
  const jwt: Connection = {
    ...base,
    grantType: 'JWT_BEARER',
    handOver: 'JWT',
    clientId: 'c',
    username: 'u',
    audience: 'a',
    key: { kmsKeyId: 'k' },
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
    [jwt, 'JWT'],
    [CODE_CONNECTION, 'ACCESS_AND_REFRESH_TOKEN'],
    [client, 'CLIENT_CREDENTIALS_ARN'],
  ] as const)('is the one that its secret names', (connection, handOver) => {
    const grant = grantOf(connection);
    expect([grant.connection, grant.handOver(undefined)]).toEqual([connection, handOver]);
  });
});
