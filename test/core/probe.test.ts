import { describe, expect, it } from 'vitest';
import type { ClientCredentialsConnection, JwtBearerConnection } from '../../functions/core/connection/connection.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { TokenEndpoint } from '../../functions/core/ports.ts';
import { dryRunProves, lastUpdatedBy, probe } from '../../functions/core/probe.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { fakeContext, fakeEndpoint, rejectionOf } from '../support/rules.ts';
import { notingProfile } from '../support/serving.ts';
import { CODE_CONNECTION, tokenServices } from '../support/token-services.ts';

const JWT: JwtBearerConnection = {
  name: 'sf-prod',
  connectorProfileName: 'sf-prod',
  loginUrl: 'https://login.salesforce.com',
  grantType: 'JWT_BEARER',
  handOver: 'JWT',
  clientId: '3MVG9',
  username: 'ann@example.com',
  audience: 'https://login.salesforce.com',
  key: { pem: new Redacted('old') },
  nextKey: undefined,
  certificate: undefined,
  lifetimeSeconds: undefined,
};
const ARN = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:appflow-client-credentials/a-AbCdEf';
const CLIENT: ClientCredentialsConnection = {
  name: 'sf-client',
  connectorProfileName: 'sf-client',
  loginUrl: 'https://acme.my.salesforce.com',
  grantType: 'CLIENT_CREDENTIALS',
  handOver: 'CLIENT_CREDENTIALS_ARN',
  clientCredentialsArn: ARN,
};
const TOKENS = { accessToken: new Redacted('access'), refreshToken: undefined };
const refused = new RefreshError('SALESFORCE_REFUSED', 'invalid_grant', 'Upload the certificate.');

/** Salesforce accepts what these keys have signed. */
function context(accepted: readonly string[], endpoint: Partial<TokenEndpoint> = {}) {
  const exchanged: string[] = [];
  const given = fakeContext({
    signer: { sign: async (key) => new Redacted('pem' in key ? key.pem.reveal() : key.kmsKeyId) },
    secrets: {
      tags: async (arn) => ({ arn, tags: new Map([['appflow-token-refresher-connections', ':any']]) }),
      value: async () => ({ versionId: 'v', value: new Redacted('{"clientId":"c","clientSecret":"s"}') }),
    },
    salesforce: {
      tokenEndpoint: () =>
        fakeEndpoint({
          async exchangeAssertion(sign, run) {
            const signedBy = (await sign(run.now())).reveal();
            exchanged.push(signedBy);
            if (accepted.includes(signedBy)) return TOKENS;
            throw refused;
          },
          ...endpoint,
        }),
    },
  });
  return { given, exchanged };
}

describe('a probe', () => {
  it('exchanges a JWT of our own, with the keys in the order in which a refresh tries them', async () => {
    const { given, exchanged } = context(['old']);
    await expect(probe(JWT, given)).resolves.toMatchObject({ state: 'proven' });
    await expect(probe({ ...JWT, nextKey: { pem: new Redacted('new') } }, given)).resolves.toMatchObject({
      state: 'proven',
    });
    expect(exchanged).toEqual(['old', 'new', 'old']);
    const moved = context(['new']);
    await expect(probe({ ...JWT, nextKey: { pem: new Redacted('new') } }, moved.given)).resolves.toMatchObject({
      state: 'proven',
    });
    expect(moved.exchanged).toEqual(['new']);
  });

  it('fails as a refresh would where Salesforce does not accept the key', async () => {
    expect(await rejectionOf(probe(JWT, context([]).given))).toBe(refused);
  });

  it('fetches a token with client id and secret', async () => {
    const asked: string[] = [];
    const { given } = context([], {
      async exchangeClientCredentials({ clientId, clientSecret }) {
        asked.push(`${clientId} ${clientSecret?.reveal()}`);
        return TOKENS;
      },
    });
    await expect(probe(CLIENT, given)).resolves.toMatchObject({ state: 'proven' });
    expect(asked).toEqual(['c s']);
  });

  it('is not needed after a dry run that has asked Salesforce', () => {
    expect([JWT, { ...JWT, handOver: 'ACCESS_TOKEN' } as const, CLIENT, CODE_CONNECTION].map(dryRunProves)).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });
});

describe('who has updated a profile last', () => {
  function world(updatedAfterSeconds: number) {
    const services = tokenServices();
    services.seed('v1', { connection: 'sf-eu', rotates: false }, 'AWSCURRENT');
    services.seed('l1', { owner: 'run', heldSeconds: 104 }, 'REFRESH_LEASE', 'REFRESH_RELEASED');
    const { createdAt = 0 } = services.versions.get('l1') ?? {};
    const profile = notingProfile({ updatedAt: new Date(createdAt + updatedAfterSeconds * 1000) });
    const { store, escrow } = services.rotation.ports;
    const endpoint = { tokenEndpoint: () => services.rotation.endpoint };
    return { profile, given: fakeContext({ store, escrow, salesforce: endpoint }, services.run) };
  }
  // The token secret of the fake has its own name, which is that of sf-eu.
  it.each([
    [-3_600, 'us'],
    [30, 'us'],
    [106, 'us'],
    [107, 'another'],
    [3_600, 'another'],
  ] as const)('of a connection with leases: %d s after the last one it was %s', async (seconds, who) => {
    const { profile, given } = world(seconds);
    await expect(lastUpdatedBy(CODE_CONNECTION, profile, given)).resolves.toBe(who);
  });

  it('is unknown where nothing is kept that tells', async () => {
    const { profile, given } = world(3_600);
    await expect(lastUpdatedBy(JWT, profile, given)).resolves.toBe('unknown');
    await expect(lastUpdatedBy(CLIENT, profile, given)).resolves.toBe('unknown');
  });
});
