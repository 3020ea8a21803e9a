import { describe, expect, it } from 'vitest';
import type { ClientCredentialsConnection, JwtBearerConnection } from '../../functions/core/connection/connection.ts';
import { RefreshError } from '../../functions/core/errors.ts';
import type { TokenEndpoint } from '../../functions/core/ports.ts';
import { dryRunProves, lastRunOf, probe } from '../../functions/core/probe.ts';
import { Redacted } from '../../functions/core/redacted.ts';
import { fakeContext, fakeEndpoint, rejectionOf } from '../support/rules.ts';
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

describe('our last run', () => {
  it('is told by the lease of a connection that has leases', async () => {
    const services = tokenServices();
    services.seed('v1', { connection: 'sf-eu', rotates: false }, 'AWSCURRENT');
    services.seed('l1', { owner: 'run', heldSeconds: 104 }, 'REFRESH_LEASE', 'REFRESH_RELEASED');
    const { createdAt = 0 } = services.versions.get('l1') ?? {};
    const { store, escrow } = services.rotation.ports;
    const endpoint = { tokenEndpoint: () => services.rotation.endpoint };
    const given = fakeContext({ store, escrow, salesforce: endpoint }, services.run);
    // The token secret of the fake has its own name, which is that of sf-eu.
    await expect(lastRunOf(CODE_CONNECTION, given)).resolves.toMatchObject({
      begin: new Date(createdAt),
      end: new Date(createdAt + 106_000),
    });
  });

  it('is not known where nothing is kept that tells', async () => {
    const { given } = context([]);
    await expect(lastRunOf(JWT, given)).resolves.toBeUndefined();
    await expect(lastRunOf(CLIENT, given)).resolves.toBeUndefined();
  });
});
